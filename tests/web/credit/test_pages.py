"""The pages about credit: what they show to whom, in both languages, and what their forms do."""

from __future__ import annotations

import re

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import update
from tornado.web import create_signed_value

from gpuspawner.model import Desired
from gpuspawner.store.allowance import STUDENT_CREDIT
from gpuspawner.store.ledger import schema
from gpuspawner.web.application import SERVICE_PREFIX
from tests.controllers.stage import IDENTITY
from tests.web.credit.school import HOUR, UNIT, School

HANGUL = re.compile("[가-힣]")


async def page(there: School, path: str, who: str, **headers) -> tuple[int, BeautifulSoup]:
    status, _headers, text = await there.text(path, who, **headers)
    return status, BeautifulSoup(text, "html5lib")


class Browser:
    """A person whom the hub has logged in: cookies, and forms as they stand on the page."""

    def __init__(self, there: School, who: str) -> None:
        signed = create_signed_value(IDENTITY.cookie_secret, "service-gpuspawner", who)
        self.there, self.cookie = there, f"service-gpuspawner={signed.decode()}"
        self.shown = BeautifulSoup("", "html5lib")

    async def opens(self, path: str) -> int:
        headers = {"Cookie": self.cookie, "Sec-Fetch-Mode": "navigate"}
        url = f"{self.there.house.url}{path}"
        async with self.there.house.session.get(url, headers=headers) as answer:
            self.shown = BeautifulSoup(await answer.text(), "html5lib")
            if "_xsrf" in answer.cookies:
                self.cookie += f"; _xsrf={answer.cookies['_xsrf'].value}"
            return answer.status

    async def sends(self, action: str, **fields: str) -> tuple[int, str]:
        """Status, and where it leads or what is refused."""
        field = self.shown.select_one(f'form input[name="action"][value="{action}"]')
        form = {
            one["name"]: one.get("value", "")
            for one in field.find_parent("form").select("input[name]")
        }
        async with self.there.house.session.post(
            f"{self.there.house.url}class", data=form | fields, headers={"Cookie": self.cookie},
            allow_redirects=False,
        ) as answer:  # fmt: skip
            self.shown = BeautifulSoup(await answer.text(), "html5lib")
            alert = self.shown.select_one('[role="alert"]')
            said = alert.get_text(" ", strip=True) if alert else ""
            return answer.status, answer.headers.get("Location", said)


async def test_my_credit_has_the_balance_the_lines_the_grants_and_a_plot_with_its_table(there: School):  # fmt: skip
    await there.uses("alice", HOUR)
    await there.uses("alice", HOUR, "i-2", ends=False)
    status, shown = await page(there, "credit", "alice")
    text = shown.get_text(" ", strip=True)
    assert (status, shown.select_one('[data-figure="live"]').get_text()) == (200, "$8.94")
    # Of 17 h, the four minutes that a stop may take are kept back, and it is said in steps of 5 min.
    assert "about 16 h 55 min" in text
    rows = [
        [cell.get_text(" ", strip=True) for cell in row.select("td")]
        for row in shown.select("#statement tbody tr")
    ]
    assert rows[1][2:] == ["Grant a beginning for alice", "", "", "$10.00"]
    assert rows[2][2:] == ["Computing", "$0.526", "3600", "-$0.526"]
    bars = [bar for bar in shown.select("svg rect") if float(bar["height"]) > 0]
    assert [bar.title.string.partition(": ")[2] for bar in bars] == ["$0.526"]
    assert "$0.526" in shown.select_one("svg").find_next("table").get_text()


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "What everybody in this class is given"),
        ("ko", "수업의 모든 학생에게 지급하는 크레딧"),
    ],
)
async def test_what_the_configuration_gave_is_said_in_words_and_in_one_language(
    there: School, language, said
):
    await there.uses("alice", 10)
    as_configured = update(schema.notes).values(text=STUDENT_CREDIT)
    await there.house.stage.database.run(lambda c: c.execute(as_configured) and None)
    _status, shown = await page(there, f"credit?language={language}", "alice")
    assert shown.select_one("#statement tbody tr:nth-of-type(2) small").get_text() == said
    assert shown.select_one("#gs-grants").find_next("tbody").select("td")[1].get_text() == said


async def test_the_least_that_a_start_costs_is_said_of_a_shorter_one(there: School):
    await there.uses("alice", 10)
    _status, shown = await page(there, "credit", "alice")
    last = shown.select("#statement tbody tr")[2].get_text(" ", strip=True)
    assert "each start costs at least 60 s" in last


async def test_my_credit_of_somebody_new_says_so(there: School):
    status, shown = await page(there, "credit", "assistant")
    text = shown.get_text(" ", strip=True)
    assert (status, "$0.00" in text, "There is no grant yet." in text) == (200, True, True)
    assert shown.select("svg") == []


async def test_days_that_were_left_empty_are_no_days(there: School):
    assert (await page(there, "credit?since=&until=", "alice"))[0] == 200
    assert (await page(there, "credit?since=nonsense", "alice"))[0] == 400


async def test_somebody_elses_page_is_for_who_may_see_it(there: School):
    wanted = {"alice": 404, "teacher": 200, "assistant": 200, "admin": 200}
    found = {who: (await page(there, "credit?student=bob", who))[0] for who in wanted}
    assert found == wanted
    assert (await page(there, "credit?student=carol", "teacher"))[0] == 404


async def test_the_page_of_the_class_is_for_those_who_teach_it(there: School):
    wanted = {"alice": 403, "teacher": 200, "assistant": 200, "admin": 200}
    assert {who: (await page(there, "class", who))[0] for who in wanted} == wanted
    forms = {}
    for who in ("assistant", "teacher", "admin"):
        _status, shown = await page(there, "class", who)
        forms[who] = {one["value"] for one in shown.select('input[name="action"]')}
        links = {one.get_text() for one in shown.select("#students a")}
        assert ("carol" in links) == (who == "admin")
    assert forms == {
        "assistant": set(),
        "teacher": {"grant", "reverse"},
        "admin": {"grant", "fund", "reverse", "stop"},
    }


async def test_only_who_sees_the_page_of_the_class_is_shown_the_way_there(there: School):
    for who, shows in (("alice", False), ("teacher", True), ("admin", True)):
        for path in ("", "credit"):
            _status, shown = await page(there, path, who)
            assert bool(shown.select(f'nav a[href="{SERVICE_PREFIX}class"]')) == shows


async def test_a_form_grants_and_another_takes_it_back(there: School):
    browser = Browser(there, "teacher")
    assert await browser.opens("class") == 200
    done = await browser.sends("grant", student="alice", amount="2.50", reason="a project")
    assert done == (302, f"{SERVICE_PREFIX}class?done=grant")
    assert (await there.get("me"))[1]["credit"]["balance"] == 12_500_000
    await browser.opens("class?done=grant")
    assert "It is done" in browser.shown.select_one('[role="status"]').get_text()
    done = await browser.sends("reverse", reason="a slip")
    assert done == (302, f"{SERVICE_PREFIX}class?done=reverse")
    assert (await there.get("me"))[1]["credit"]["balance"] == 10 * UNIT


async def test_a_form_that_is_sent_twice_is_carried_out_once(there: School):
    browser = Browser(there, "admin")
    await browser.opens("class")
    kept = browser.shown
    for _ in range(2):
        browser.shown = kept
        await browser.sends("fund", amount="1,000", reason="a gift")
    assert (await there.get("pool", "admin"))[1]["funded"] == 2000 * UNIT


async def test_what_is_refused_is_said_on_the_page_with_the_form_as_it_was(there: School):
    browser = Browser(there, "teacher")
    await browser.opens("class")
    status, said = await browser.sends("grant", student="alice", amount="5000", reason="much")
    assert (status, "not enough credit" in said) == (402, True)
    assert browser.shown.select_one("#gs-who")["value"] == "alice"
    await browser.opens("class")
    for fields in (
        {"student": "alice", "amount": "much", "reason": "r"},
        {"student": "alice", "amount": "1", "reason": " "},
        {"student": "carol", "amount": "1", "reason": "r"},
    ):
        status, _said = await browser.sends("grant", **fields)
        assert (fields, status in (400, 404)) == (fields, True)


async def test_a_form_without_its_xsrf_token_does_nothing(there: School):
    browser = Browser(there, "admin")
    await browser.opens("class")
    status, _said = await browser.sends("fund", amount="1", reason="r", _xsrf="")
    assert status == 403
    assert (await there.get("pool", "admin"))[1]["funded"] == 1000 * UNIT


async def test_an_admin_stops_everything_and_lets_it_start_again(there: School):
    await there.house.put("alice")
    browser = Browser(there, "admin")
    await browser.opens("class")
    assert (await browser.sends("stop", reason="the key was stolen"))[0] == 302
    assert (await there.house.stage.claim("alice")).desired is Desired.STOPPED
    await browser.opens("class")
    assert "the key was stolen" in browser.shown.get_text()
    assert (await browser.sends("lift", reason="it was not"))[0] == 302
    await browser.opens("class")
    assert browser.shown.select_one(".alert-danger") is None
    log = [row.get_text(" ", strip=True) for row in browser.shown.select("#log tbody tr")]
    assert "Let machines start again it was not" in log[0]
    assert "Stopped everything the key was stolen" in log[1]


@pytest.mark.parametrize("path", ["credit", "class", "", "credit?student=bob"])
async def test_a_page_is_wholly_in_the_language_that_a_link_asks_for(there: School, path):
    await there.uses("bob", HOUR)
    seen = {}
    for language in ("en", "ko"):
        asked = f"{path}{'&' if '?' in path else '?'}language={language}"
        status, headers, text = await there.text(asked, "admin")
        shown = BeautifulSoup(text, "html5lib")
        assert (status, shown.html["lang"]) == (200, language)
        assert f"gpuspawner_language={language}" in headers["Set-Cookie"]
        for own in shown.select(".gs-languages, script, style, small.gs-quiet, code"):
            own.decompose()
        seen[language] = {
            text.strip()
            for one in shown.body.find_all(["h1", "h2", "th", "dt", "label", "button", "p", "a"])
            if (text := one.get_text(" ", strip=True)) and re.search(r"[A-Za-z가-힣]{2}", text)
        }
        for switch in BeautifulSoup(text, "html5lib").select(".gs-languages a"):
            assert "language=" in switch["href"] if "href" in switch.attrs else True
    names = {"alice", "bob", "carol", "admin"}
    assert [one for one in seen["en"] if HANGUL.search(one)] == []
    assert [one for one in seen["ko"] - names if not HANGUL.search(one)] == []

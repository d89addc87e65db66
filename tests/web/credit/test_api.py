"""Credit over REST: what there is, what changes it, and what is said when it may not be."""

from __future__ import annotations

import asyncio
import csv
import io

from gpuspawner.store import ledger
from tests.controllers.stage import name_of
from tests.web import hub_auth
from tests.web.credit.school import HOUR, UNIT, School


def grant(student: str = "alice", micros: int = 5 * UNIT, reason: str = "a project", **more):
    return {"student": student, "micros": micros, "reason": reason, **more}


# -- what there is


async def test_me_is_the_balance_and_how_long_it_lasts(there: School):
    await there.uses("alice", HOUR, ends=False)
    status, said = await there.get("me")
    person = said["credit"].pop("person")
    assert (status, person.startswith("p-")) == (200, True)
    assert said["credit"] == {
        "name": "alice", "balance": 10 * UNIT, "held": 0, "available": 10 * UNIT,
        "live": 10 * UNIT - 526_000, "per_hour": 526_000,
    }  # fmt: skip
    # What the four minutes of the look and the stop take is kept back.
    reserve = -(-526_000 * 240 // HOUR)
    lasts = (10 * UNIT - 526_000 - reserve) * HOUR // 526_000
    assert said["runs_for_seconds"] == lasts
    assert said["machines"] == [
        {"claim": name_of("alice"), "server": "", "size": None, "per_hour": 526_000,
         "runs_for_seconds": lasts},
    ]  # fmt: skip


async def test_me_of_somebody_whom_the_ledger_has_not_met_is_nothing(there: School):
    status, said = await there.get("me", "assistant")
    assert (status, said["machines"], said["runs_for_seconds"]) == (200, [], None)
    assert said["credit"] == {
        "name": "assistant", "person": None, "balance": 0, "held": 0, "available": 0, "live": 0,
        "per_hour": 0,
    }  # fmt: skip


async def test_the_statement_has_every_line_and_adds_up(there: School):
    await there.uses("alice", HOUR)
    status, said = await there.get("statement")
    assert status == 200
    assert [(line["kind"], line["amount"]) for line in said["lines"]] == [
        ("grant", 10 * UNIT),
        ("charge", -526_000),
    ]
    use = said["lines"][1]
    assert (use["seconds"], use["per_hour"], use["component"]) == (HOUR, 526_000, "compute")
    assert said["closing"] - said["opening"] == sum(line["amount"] for line in said["lines"])


async def test_a_statement_of_other_days_has_none_of_these_lines(there: School):
    await there.uses("alice", HOUR)
    _status, said = await there.get("statement", since="2020-01-01", until="2020-01-31")
    assert (said["lines"], said["opening"], said["closing"]) == ([], 0, 0)
    # Seoul's days, which begin at 15:00 UTC.
    assert (said["since"], said["until"]) == (
        "2019-12-31T15:00:00+00:00",
        "2020-01-31T15:00:00+00:00",
    )


async def test_impossible_days_are_refused(there: School):
    for query in (
        {"since": "yesterday"},
        {"since": "2026-02-01", "until": "2026-01-01"},
        {"since": "2000-01-01", "until": "2026-01-01"},
        {"since": "9999-12-31"},
    ):
        status, said = await there.get("statement", **query)
        assert (query, status, said["error"]) == (query, 400, "specification-refused")


async def test_grants_and_holds_are_those_that_are_open(there: School):
    account = await there.account("alice")
    await there.run(
        ledger.place_hold, account, 2 * UNIT, ref=f"start:{name_of('alice')}:1", now=there.now
    )
    _status, grants = await there.get("grants")
    assert [(one["granted"], one["remaining"], one["note"]) for one in grants["grants"]] == [
        (10 * UNIT, 10 * UNIT, "a beginning for alice")
    ]
    _status, holds = await there.get("holds")
    assert [(one["placed"], one["remaining"], one["claim"]) for one in holds["holds"]] == [
        (2 * UNIT, 2 * UNIT, name_of("alice"))
    ]


async def test_the_pool_and_the_burn_are_the_ledgers(there: School):
    await there.uses("alice", HOUR, ends=False)
    _status, pool = await there.get("pool", "admin")
    assert (pool["funded"], pool["pool"], pool["students"]) == (1000 * UNIT, 970 * UNIT, 30 * UNIT)
    _status, burn = await there.get("burn", "admin")
    assert (burn["charge_per_hour"], burn["cost_per_hour"]) == (526_000, 526_000)


# -- what changes it


async def test_a_grant_is_there_at_once_with_its_reason_and_its_teacher(there: School):
    status, said = await there.post("grants", "teacher", grant())
    assert (status, said["pool"]) == (201, 965 * UNIT)
    assert said["credit"]["balance"] == 15 * UNIT
    _status, audit = await there.get("audit", "teacher")
    last = audit["entries"][0]
    assert (last["kind"], last["micros"], last["note"]) == ("grant", 5 * UNIT, "a project")
    assert (last["by_name"], last["student_name"], last["undone"]) == ("teacher", "alice", False)


async def test_the_same_key_twice_is_one_grant(there: School):
    first = await there.post("grants", "teacher", grant(), key="one")
    second = await there.post("grants", "teacher", grant(), key="one")
    assert first == second
    assert (await there.get("me"))[1]["credit"]["balance"] == 15 * UNIT


async def test_many_at_once_under_one_key_are_one_grant(there: School):
    said = await asyncio.gather(
        *(there.post("grants", "teacher", grant(), key="one") for _ in range(8))
    )
    assert {status for status, _ in said} == {201}
    assert len({answer["transaction"] for _, answer in said}) == 1
    assert (await there.get("me"))[1]["credit"]["balance"] == 15 * UNIT


async def test_the_same_key_with_another_body_is_refused_and_changes_nothing(there: School):
    await there.post("grants", "teacher", grant(), key="one")
    before = await there.get("students", "admin")
    for other in (
        grant(micros=6 * UNIT),
        grant("bob"),
        grant(reason="another project"),
        grant(expires_at="2027-01-01T00:00:00Z"),
    ):
        status, said = await there.post("grants", "teacher", other, key="one")
        assert (other, status, said["error"]) == (other, 409, "idempotency-mismatch")
    assert await there.get("students", "admin") == before


async def test_two_people_may_use_the_same_key_for_two_things(there: School):
    await there.post("grants", "teacher", grant(), key="one")
    status, _said = await there.post("grants", "head", grant(micros=UNIT), key="one")
    assert status == 201
    assert (await there.get("me"))[1]["credit"]["balance"] == 16 * UNIT


async def test_a_change_without_a_usable_key_is_refused(there: School):
    for key in (None, " ", "k" * 129, "a key"):
        for path, body in (("grants", grant()), ("fund", {"micros": 1, "reason": "r"})):
            status, said = await there.post(path, "admin", body, key=key)
            assert (key, status, said["error"]) == (key, 400, "key-missing")
    assert (await there.get("me"))[1]["credit"]["balance"] == 10 * UNIT


async def test_a_grant_of_nonsense_is_refused(there: School):
    for wrong in (
        {"micros": 0}, {"micros": -1}, {"micros": 1.5}, {"micros": "5"}, {"micros": True},
        {"micros": 2**53}, {"reason": ""}, {"reason": "  "}, {"student": ""},
        {"expires_at": "2027-01-01T00:00:00"},
    ):  # fmt: skip
        status, said = await there.post("grants", "admin", grant() | wrong)
        assert (wrong, status, said["error"]) == (wrong, 400, "specification-refused")


async def test_more_than_the_pool_has_cannot_be_granted(there: School):
    status, said = await there.post("grants", "teacher", grant(micros=971 * UNIT))
    assert (status, said["error"]) == (402, "insufficient-credit")
    status, _said = await there.post("grants", "teacher", grant(micros=970 * UNIT))
    assert status == 201


async def test_credit_can_be_given_before_the_first_start_and_is_there_then(there: School):
    status, _said = await there.post("grants", "admin", grant("newcomer"))
    assert status == 201
    person = await there.run(
        ledger.person_for, hub_auth.id_of("newcomer"), "newcomer", now=there.now
    )
    status, said = await there.get("grants", "admin", student="newcomer")
    assert (person.name, [one["granted"] for one in said["grants"]]) == ("newcomer", [5 * UNIT])


async def test_nobody_is_given_credit_whom_the_hub_does_not_know(there: School):
    status, said = await there.post("grants", "admin", grant("alcie"))
    assert (status, said["error"]) == (404, "person-unknown")
    there.silent = True
    status, said = await there.post("grants", "admin", grant("newcomer"))
    assert (status, said["error"]) == (503, "controller-unavailable")


async def test_a_grant_is_taken_back_once(there: School):
    _status, made = await there.post("grants", "teacher", grant())
    back = {"transaction": made["transaction"], "reason": "a slip"}
    status, said = await there.post("reversals", "teacher", back)
    assert (status, said["credit"]["balance"], said["pool"]) == (201, 10 * UNIT, 970 * UNIT)
    status, said = await there.post("reversals", "teacher", back)
    assert (status, said["error"]) == (409, "not-reversible")
    _status, audit = await there.get("audit", "teacher")
    assert [(one["kind"], one["micros"], one["undone"]) for one in audit["entries"][:2]] == [
        ("reversal", -5 * UNIT, False),
        ("grant", 5 * UNIT, True),
    ]


async def test_only_money_that_was_brought_in_is_in_the_pool(there: School):
    status, said = await there.post("fund", "admin", {"micros": UNIT, "reason": "a gift"})
    assert (status, said["pool"], said["credit"]) == (201, 971 * UNIT, None)


async def test_the_command_line_is_an_admin_without_a_name(there: School):
    status, _said = await there.post("grants", None, grant())
    assert status == 201
    _status, audit = await there.get("audit", "admin")
    assert (audit["entries"][0]["by"], audit["entries"][0]["by_name"]) == ("admin", None)


async def test_the_log_is_read_a_page_at_a_time(there: School):
    for micros in (1, 2, 3):
        await there.post("grants", "admin", grant(micros=micros))
    found, before = [], {}
    for _page in range(10):
        _status, said = await there.get("audit", "admin", limit=2, **before)
        found += [one["micros"] for one in said["entries"]]
        if said["before"] is None:
            break
        before = {"before": said["before"]}
    assert found == [3, 2, 1, 10 * UNIT, 10 * UNIT, 10 * UNIT, 1000 * UNIT]


async def stops(there: School, *, lift: bool = False) -> None:
    body = {"reason": "it is right again" if lift else "a leak", "lift": lift}
    assert (await there.house.ask("POST", "stop-everything", body, token="admin"))[0] == 200
    await there.house.stage.clock.advance(60)


async def test_a_stop_of_everything_and_its_lifting_are_in_the_log(there: School):
    await there.account("admin")  # who is known to the ledger is named
    await there.house.stage.clock.advance(60)
    await stops(there)
    await there.post("grants", "teacher", grant())
    await there.house.stage.clock.advance(60)
    await stops(there, lift=True)
    for who in ("admin", "teacher"):
        _status, said = await there.get("audit", who)
        assert [
            (one["kind"], one["transaction"] is None, one["by_name"], one["note"], one["micros"])
            for one in said["entries"][:3]
        ] == [
            ("lift", True, "admin", "it is right again", 0),
            ("grant", False, "teacher", "a project", 5 * UNIT),
            ("stop", True, "admin", "a leak", 0),
        ]
    _status, said = await there.get("audit", "admin", student="alice")
    assert {one["kind"] for one in said["entries"]} == {"grant"}


async def test_what_is_between_two_pages_of_the_log_is_on_one_of_them(there: School):
    for micros in (1, 2, 3):
        await there.house.stage.clock.advance(60)
        await there.post("grants", "admin", grant(micros=micros))
        await stops(there)
        await stops(there, lift=True)
    whole, before = (await there.get("audit", "admin"))[1]["entries"], {}
    found = []
    for _page in range(10):
        _status, said = await there.get("audit", "admin", limit=2, **before)
        found += said["entries"]
        if said["before"] is None:
            break
        before = {"before": said["before"]}
    assert found == whole
    assert [one["kind"] for one in whole[:6]] == ["lift", "stop", "grant"] * 2


# -- for a spreadsheet


async def test_a_csv_can_be_had_as_old_korean_programs_want_it(there: School):
    grant_ = {"student": "alice", "micros": UNIT, "reason": "기말 프로젝트 😀"}
    assert (await there.post("grants", "teacher", grant_))[0] == 201
    headers = {"Authorization": "Bearer alice", "Accept-Language": "ko"}
    url = f"{there.house.url}api/v1/statement.csv"
    async with there.house.session.get(f"{url}?encoding=cp949", headers=headers) as answer:
        assert answer.headers["Content-Type"] == "text/csv; charset=cp949"
        text = (await answer.read()).decode("cp949")
    assert text.startswith("기록 시각,")
    assert "기말 프로젝트 ?" in text
    async with there.house.session.get(f"{url}?encoding=latin-1", headers=headers) as answer:
        assert answer.status == 400


async def test_a_csv_is_read_by_excel_and_by_anybody(there: School):
    await there.uses("alice", HOUR)
    status, headers, text = await there.text("api/v1/statement.csv", "alice")
    assert (status, headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert "attachment" in headers["Content-Disposition"]
    assert text.startswith("\N{ZERO WIDTH NO-BREAK SPACE}Written,What,Amount")
    assert "Use,-0.526000,USD," in text
    _status, _headers, korean = await there.text(
        "api/v1/statement.csv", "alice", **{"Accept-Language": "ko"}
    )
    assert "Written" not in korean


async def test_what_a_teacher_writes_is_no_formula_in_a_spreadsheet(there: School):
    formulas = ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("x")']
    for formula in formulas:
        await there.post("grants", "teacher", grant(reason=formula))
    _status, _headers, text = await there.text("api/v1/statement.csv", "alice")
    rows = list(csv.reader(io.StringIO(text)))
    assert [row[-1] for row in rows if row[2] == "5.000000"] == [f"'{one}" for one in formulas]

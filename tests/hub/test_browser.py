"""The hub's own pages in a real browser, on a real hub with the real controller: looked at in both
languages, and axe finds nothing serious. SCREENSHOTS says where the pictures are kept."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, async_playwright, expect

from gpuspawner import client_wallets
from gpuspawner.model import Power, Reason
from gpuspawner.policy import idle_sentences
from gpuspawner.store import claims
from tests.end_to_end.conftest import CHROMIUM, FLAGS
from tests.hub.front import front
from tests.hub.school import BASE, CLOCK, SERVICE, School, school
from tests.hub.test_credit import credit

SERIOUS = {"serious", "critical"}
QUICK = {"preload": False, "resultTypes": ["violations"]}
LANGUAGES = {"ko": "한국어", "en": "English"}
CREDIT = {
    "student_credit": 0.2, "session_hold": 60.0, "tick": 60.0, "stop_latency": 60.0,
    "warnings": [1800.0], "grace": 0.0,
}  # fmt: skip
"""Enough for about twenty minutes, so the warning comes at once."""

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.timeout(240),
    pytest.mark.skipif(
        CHROMIUM is None and not os.environ.get("CI"), reason="Chromium is not installed"
    ),
]


@pytest.fixture
async def stage(hub_app, tidy, server_url, tmp_path, monkeypatch):
    monkeypatch.setattr(client_wallets, "KEPT_SECONDS", 0.5)
    async with school(hub_app, tidy, server_url, tmp_path, monkeypatch, credit=credit(**CREDIT)) as one:  # fmt: skip
        yield one


@dataclass
class Visitor:
    """Somebody at a browser. `found` is what axe holds against the pages, by language and page."""

    page: Page
    url: str
    shots: Path
    found: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)

    async def opens(self, path: str) -> None:
        await self.page.goto(f"{self.url}{BASE}{path}")

    async def logs_in(self, name: str = "alice", password: str = "alice") -> None:
        await self.page.get_by_label("Username").fill(name)
        await self.page.get_by_label("Password").fill(password)
        await self.page.get_by_role("button", name="Sign in").click()

    async def looks(self, name: str, *said: str) -> None:
        """At the page in both languages; each of `said` is there in English, and is not in Korean."""
        for language, called in LANGUAGES.items():
            await self.page.get_by_role("link", name=called).click()
            await expect(self.page.locator("html")).to_have_attribute("lang", language)
            text = await self.page.locator("body").inner_text()
            assert [one for one in said if (one in text) is not (language == "en")] == [], text
            result = await Axe().run(self.page, options=QUICK)
            self.found |= {
                (language, name, one["id"]): [node["html"] for node in one["nodes"]]
                for one in result.response["violations"]
                if one["impact"] in SERIOUS
            }
            await self.page.screenshot(path=self.shots / f"hub-{name}-{language}.png", full_page=True)  # fmt: skip


@asynccontextmanager
async def visitor(stage: School, shots: Path, **options):
    hub = f"http://127.0.0.1:{stage.app.hub.port}"
    async with front(hub, stage.controller.url, SERVICE) as url, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        context = await browser.new_context(
            viewport={"width": 1200, "height": 900}, locale="en-US", **options
        )
        yield Visitor(await context.new_page(), url, shots)
        await browser.close()


@pytest.fixture
def shots(tmp_path) -> Path:
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


async def stopped(stage: School) -> None:
    """The rule about idle machines stops alice's, and the hub has seen it."""
    view = stage.view()
    await stage.controller.database.run(
        claims.end, view.name, view.generation, Reason.IDLE, idle_sentences.idle(30), CLOCK.now()
    )

    async def is_off():
        return await stage.powers() == [Power.STOPPED] and not stage.view().billed

    await stage.until(is_off)
    await stage.until(lambda: not stage.spawner().view.billed)
    await stage.spawner().poll_and_notify()


async def test_axe_finds_nothing_serious_on_any_of_the_hubs_pages_in_either_language(
    stage: School, shots: Path
):
    async with visitor(stage, shots) as alice:
        await alice.opens("hub/login")
        await alice.logs_in("alice", "a guess")
        await alice.looks("login", "Sign in", "The username or the password is wrong.")
        await alice.logs_in()
        await alice.page.wait_for_url("**/hub/home")
        await alice.looks("home-off", "Balance: $0.20", "My machine")

        await alice.opens("hub/spawn/alice")
        await alice.looks("spawn", "Balance: $0.20", "about 20 min on this machine")
        await alice.page.get_by_role("radio", name="Greedy").check()
        await alice.page.get_by_role("button", name="Start this machine").click()
        await alice.page.wait_for_load_state()
        await alice.looks("spawn-refused", "5000 GiB, and the limit is 200 GiB")

        stage.hasty()
        stage.agents.quiet = True
        await alice.page.get_by_role("radio", name="One T4").check()
        await alice.page.get_by_role("button", name="Start this machine").click()
        await alice.page.wait_for_url("**/hub/spawn-pending/alice*")
        await expect(alice.page.locator("li[data-stage=boot]")).to_have_class("gs-now")
        await alice.looks("pending", "Your machine is starting", "Boot, with the GPU driver")
        await alice.opens("hub/home")
        await alice.looks("home-starting", "Starting", "Show the progress")

        starting = stage.spawner()._spawn_future
        stage.agents.quiet = False
        await asyncio.wait_for(starting, 30)
        await stage.until(lambda: stage.spawner().view.credit.sentence)
        await alice.opens("hub/home")
        await alice.looks("home-running", "Running", "Your credit lasts about", "Open JupyterLab")

        await stopped(stage)
        await alice.opens("hub/home")
        await expect(alice.page.get_by_text("The last session took")).to_be_visible(timeout=20_000)
        await alice.looks("home-stopped", "The last session took", "30 minutes")
        await alice.opens("hub/user/alice/lab")
        await alice.looks("not-running", "Your machine is not running", "and cost $0.0087", "30 min")  # fmt: skip
        await alice.opens("hub/nothing-here")
        await alice.looks("not-found")
    assert alice.found == {}


async def test_who_runs_no_javascript_chooses_a_language_and_a_machine(stage: School, shots: Path):
    async with visitor(stage, shots, java_script_enabled=False) as alice:
        page, korean = alice.page, alice.page.get_by_text("머신 시작", exact=True)
        await alice.opens("hub/login")
        await alice.logs_in()
        await alice.opens("hub/spawn/alice")
        html = page.locator("html")
        await expect(html).to_have_attribute("lang", "en")
        await expect(korean).to_be_hidden()
        await page.get_by_role("link", name="한국어").click()
        assert page.url == f"{alice.url}{BASE}hub/spawn/alice"
        await expect(html).to_have_attribute("lang", "ko")
        await expect(korean).to_be_visible()
        await expect(page.get_by_text("Start a machine")).to_be_hidden()
        await alice.opens("services/gpuspawner/credit")
        await expect(html).to_have_attribute("lang", "ko")
        await page.get_by_role("link", name="English").click()
        await alice.opens("hub/spawn/alice")
        await expect(html).to_have_attribute("lang", "en")
        await page.get_by_role("radio", name="One T4").check()
        await page.get_by_role("button", name="Start this machine").click()
        await stage.until(lambda: stage.spawner().ready)


@pytest.mark.parametrize(
    "came",
    ["", "https://elsewhere.example/hub/home", "{url}//elsewhere.example/", "{url}/\\e.example"],
)
async def test_a_choice_of_language_leads_nowhere_but_back(stage: School, came):
    url = stage.controller.url
    async with aiohttp.ClientSession() as session:
        asked = session.get(
            f"{url}{SERVICE}language?language=ko",
            headers={"Referer": came.format(url=url)}, allow_redirects=False,
        )  # fmt: skip
        async with asked as answer:
            assert (answer.status, answer.headers["Location"]) == (302, f"{BASE}hub/home")
            assert answer.cookies["gpuspawner_language"].value == "ko"

"""The pages in a real browser, in both languages: axe finds nothing serious, and pictures are kept."""

from __future__ import annotations

import mimetypes
import os
import shutil
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from jupyterhub._data import DATA_FILES_PATH
from playwright.async_api import async_playwright
from tornado.web import create_signed_value

from gpuspawner.store import ledger
from tests.controllers.stage import IDENTITY, name_of
from tests.end_to_end.conftest import FLAGS
from tests.web.credit.school import HOUR, UNIT, School

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
STATIC = Path(DATA_FILES_PATH, "static")
SERIOUS = {"serious", "critical"}
PAGES = {
    "credit": ("credit", "alice"),
    "credit-new": ("credit", "assistant"),
    "class-teacher": ("class", "teacher"),
    "class-admin": ("class", "admin"),
    "machines": ("", "alice"),
    "refused": ("credit?student=bob", "alice"),
}

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.skipif(
        CHROMIUM is None and not os.environ.get("CI"), reason="Chromium is not installed"
    ),
]


async def a_term(there: School) -> None:
    """Something on every part of the pages."""
    for n, seconds in enumerate((2 * HOUR, 5 * HOUR // 2, 900)):
        await there.uses("alice", seconds, f"i-{n}")
        await there.house.stage.clock.advance(22 * HOUR)
    await there.uses("alice", HOUR, "i-now", ends=False)
    account = await there.account("alice")
    await there.run(
        ledger.place_hold, account, UNIT, ref=f"start:{name_of('alice')}:2", now=there.now
    )
    await there.post(
        "grants", "teacher",
        {"student": "alice", "micros": 5 * UNIT, "reason": "기말 프로젝트", "expires_at": "2027-01-01T00:00:00Z"},
    )  # fmt: skip
    _status, made = await there.post(
        "grants", "teacher", {"student": "bob", "micros": UNIT, "reason": "by mistake"}
    )
    await there.post(
        "reversals", "teacher", {"transaction": made["transaction"], "reason": "a slip"}
    )
    for lift in (False, True):
        await there.house.stage.clock.advance(60)
        why = {"reason": "청구서가 이상합니다", "lift": lift}
        await there.house.ask("POST", "stop-everything", why, token="admin")
    await there.house.put("alice")


def _static(path: str) -> dict[str, object]:
    """The hub's own style sheet and pictures, from where JupyterHub has them."""
    file = STATIC / path if path else STATIC / "images" / "jupyterhub-80.png"
    if not file.is_file():
        return {"status": 404}
    kind = mimetypes.guess_type(file.name)[0] or "text/plain"
    return {"body": file.read_bytes(), "content_type": kind}


async def _answer(route) -> None:
    path = route.request.url.partition("/hub/static/")[2].partition("?")[0]
    await route.fulfill(**_static(path))


def _folder(tmp_path) -> Path:
    shots = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    shots.mkdir(parents=True, exist_ok=True)
    return shots


async def test_axe_finds_nothing_serious_on_any_page_in_either_language(there: School, tmp_path):
    await a_term(there)
    shots = _folder(tmp_path)
    found = {}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        for language in ("en", "ko"):
            for name, (path, who) in PAGES.items():
                context = await browser.new_context(viewport={"width": 1200, "height": 900})
                signed = create_signed_value(IDENTITY.cookie_secret, "service-gpuspawner", who)
                cookies = {"service-gpuspawner": signed.decode(), "gpuspawner_language": language}
                await context.add_cookies(
                    [{"name": k, "value": v, "url": there.house.url} for k, v in cookies.items()]
                )
                await context.route("**/hub/**", _answer)
                page = await context.new_page()
                await page.goto(f"{there.house.url}{path}")
                assert await page.locator("html").get_attribute("lang") == language
                result = await Axe().run(page)
                found |= {
                    (language, name, one["id"]): [node["html"] for node in one["nodes"]]
                    for one in result.response["violations"]
                    if one["impact"] in SERIOUS
                }
                await page.screenshot(path=shots / f"{name}-{language}.png", full_page=True)
                await context.close()
        await browser.close()
    assert found == {}

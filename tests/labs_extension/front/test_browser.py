"""The front end in a real browser, before a real JupyterLab and the real extension."""

from __future__ import annotations

import os

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from tests.labs_extension.fake_nvml import GIB, Gpu
from tests.labs_extension.front.conftest import BLIND, CHROMIUM, SEES, t4

SERIOUS = {"serious", "critical"}
IDLE = {
    "en": "Nobody is using it, so it will be saved and stopped. To go on, run a cell or press “Keep running”.",
    "ko": "사용하는 사람이 없어 곧 저장하고 중지합니다. 계속하려면 셀을 실행하거나 “계속 실행”을 누르세요.",
}
PATIENCE = 30_000
TOAST = ".Toastify__toast"

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.skipif(
        CHROMIUM is None and not os.environ.get("CI"), reason="Chromium is not installed"
    ),
]


async def opened(page, panel: bool = True, document: str = ""):
    """JupyterLab, with our panel and a document open."""
    await page.goto(page.login.replace("?", f"/tree/{document}?" if document else "?"))
    status = page.locator(".jp-gpuspawner-status button")
    await expect(status).to_contain_text("GPU", timeout=PATIENCE)
    found = page.locator(".jp-gpuspawner-panel")
    if panel and not await found.is_visible():
        await status.click()
        await expect(found).to_be_visible()
    return found


def sliced() -> Gpu:
    """A GPU that is cut in two."""
    slices = [
        Gpu(f"NVIDIA A100 MIG {n}", uuid=f"MIG-{n}", utilization=None, memory=(n * GIB, 20 * GIB))
        for n in (1, 2)
    ]
    return Gpu("NVIDIA A100-SXM4-40GB", uuid="GPU-a100", utilization=None, slices=slices)


# JupyterLab is opened eight times: half a minute, and minutes where the machine is busy otherwise.
@pytest.mark.timeout(300)
async def test_the_panel_tells_how_it_stands_in_both_languages_and_themes(stage, page, shots):
    await page.set_viewport_size({"width": 1200, "height": 1700})  # all of the panel in one picture
    states = {
        "ok": ((t4(),), {"torch": SEES, "jax": SEES}),
        "blind": ((t4(),), {"torch": BLIND, "jax": SEES}),
        "mig": ((sliced(),), {"torch": SEES}),
        "no_driver": ((), {}),
    }
    words = {
        "ok": {"en": "The GPU is ready.", "ko_KR": "GPU가 준비되었습니다."},
        "blind": {"en": "does not see the GPU", "ko_KR": "GPU를 찾지 못함"},
        "mig": {"en": "Slice: NVIDIA A100 MIG 2", "ko_KR": "분할 GPU: NVIDIA A100 MIG 2"},
        "no_driver": {"en": "This machine has no GPU.", "ko_KR": "이 머신에는 GPU가 없습니다."},
    }
    lasts = {"en": "about 23 h 25 min", "ko_KR": "약 23시간 25분"}
    found = {}
    stage.server.lab.sampler.stop()
    for language, theme in (("en", "JupyterLab Light"), ("ko_KR", "JupyterLab Dark")):
        await stage.speaks(language, theme)
        for state, (gpus, frameworks) in states.items():
            stage.sample(*gpus, **frameworks)
            panel = await opened(page)
            await expect(panel).to_contain_text(words[state][language], timeout=PATIENCE)
            # As the hub's pages say it of 84,321 s: what the stop takes is kept back, in steps.
            await expect(panel).to_contain_text(lasts[language])
            await page.screenshot(path=shots / f"lab-{state}-{language}.png")
            result = await Axe().run(page, context=".jp-gpuspawner-panel, .jp-gpuspawner-status")
            found |= {
                (language, state, one["id"]): [node["html"] for node in one["nodes"]]
                for one in result.response["violations"]
                if one["impact"] in SERIOUS
            }
    assert (found, page.errors) == ({}, [])


async def test_a_warning_is_shown_once_stays_dismissed_and_is_taken_back(stage, page, shots):
    await opened(page, panel=False)
    stage.says(5, verdict="warn", reason="idle", sentence=IDLE)
    toast = page.locator(TOAST)
    await expect(toast).to_have_count(1, timeout=PATIENCE)
    await expect(toast).to_contain_text("Nobody is using it, so it will be saved and stopped.")
    await expect(page.locator(".jp-gpuspawner-status")).to_contain_text("nobody is using it")
    await page.screenshot(path=shots / "lab-warning-en.png")
    await toast.get_by_role("button", name="Keep running +30 min").click()
    await expect(toast).to_have_count(0)
    assert stage.asked == [("keep", {"generation": 3})]
    async with page.expect_response("**/gpuspawner/api/session?*"):
        pass  # the file still says the same: what was answered is not asked again
    await expect(toast).to_have_count(0)
    stage.says(1.5)  # the next step
    await expect(toast).to_have_count(1, timeout=PATIENCE)
    stage.says(35, verdict="keep", reason=None, sentence=None)  # somebody ran a cell
    await expect(toast).to_have_count(0, timeout=PATIENCE)


async def test_files_on_the_temporary_disk_are_warned_of_once_and_named_in_the_panel(
    stage, page, shots
):
    (stage.disk / "model.h5").write_bytes(b"x" * (3 << 20))
    await stage.speaks("ko_KR")
    panel = await opened(page)
    toast = page.locator(TOAST)
    await expect(toast).to_have_count(1, timeout=PATIENCE)
    await expect(toast).to_contain_text("머신이 멈추면 사라집니다")
    await expect(panel).to_contain_text(f"{stage.disk}/model.h5 (3 MiB)")
    await page.screenshot(path=shots / "lab-storage-ko.png")
    async with page.expect_response("**/gpuspawner/api/session?*"):
        pass
    await expect(toast).to_have_count(1)


async def test_a_request_to_save_saves_what_is_open_and_says_so(stage, page):
    (stage.root / "notes.txt").write_text("old\n")
    await opened(page, panel=False, document="notes.txt")
    await _edit(page, "new ")
    stage.says(session={**stage.session["session"], "save": "stop-3"})
    await _until(page, lambda: stage.activity.saving() is not None)
    assert stage.activity.saving() == {"request": "stop-3", "documents": 1, "failed": []}
    assert (stage.root / "notes.txt").read_text() == "new old\n"


async def test_stop_my_machine_asks_saves_stops_and_goes_to_the_hub(stage, page):
    (stage.root / "notes.txt").write_text("old\n")
    await page.route("**/hub/home", lambda route: route.fulfill(body="the hub's page"))
    panel = await opened(page, document="notes.txt")
    await _edit(page, "new ")
    await panel.get_by_role("button", name="Stop my machine").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Save all and stop").click()
    await page.wait_for_url("**/hub/home")
    assert stage.asked == [("stop", {"generation": 3})]
    assert (stage.root / "notes.txt").read_text() == "new old\n"


async def test_a_page_whose_machine_has_been_stopped_goes_to_the_hub_which_says_why(stage, page):
    await page.route("**/hub/home", lambda route: route.fulfill(body="the hub's page"))
    await opened(page, panel=False)
    stage.says(verdict="save_and_stop", reason="idle", sentence=IDLE, deadline=None)
    await expect(page.locator(TOAST)).to_contain_text("is stopping", timeout=PATIENCE)
    # What the hub answers for a server that does not run.
    await page.route("**/gpuspawner/api/session?*", lambda route: route.fulfill(status=424))
    await page.wait_for_url("**/hub/home")


async def _edit(page, text: str) -> None:
    await page.locator(".jp-FileEditor .cm-content").click()
    await page.keyboard.press("Control+Home")
    await page.keyboard.type(text)


async def _until(page, done) -> None:
    for _ in range(300):
        if done():
            return
        await page.wait_for_timeout(100)
    raise AssertionError("it did not happen")

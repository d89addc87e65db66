"""An update of the course over a student's edits, in a real browser."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.labs_extension.conftest import TOKEN, Server
from tests.labs_extension.fake_nvml import Library, install
from tests.labs_extension.front.conftest import CHROMIUM

PATIENCE = 30_000
PANEL = ".jp-gpuspawner-panel section[aria-labelledby=jp-gpuspawner-course]"

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.skipif(
        CHROMIUM is None and not os.environ.get("CI"), reason="Chromium is not installed"
    ),
]


class Course:
    """A repository with lessons, each a notebook of one text."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "ko").mkdir(parents=True)
        self._git("init", "--quiet", "--initial-branch=main")

    def publishes(self, **lessons: str) -> None:
        for name, text in lessons.items():
            cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": text}
            cell |= {"execution_count": None, "outputs": []}
            head = {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
            notebook = {"cells": [cell], "metadata": head, "nbformat": 4, "nbformat_minor": 5}
            (self.folder / "ko" / f"{name}.ipynb").write_text(json.dumps(notebook))
        self._git("add", "--all")
        self._git("commit", "--quiet", "-m", "lessons")

    def _git(self, *words: str) -> None:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *who, *words], cwd=self.folder, check=True, capture_output=True)


@pytest.fixture
def course(tmp_path) -> Course:
    return Course(tmp_path / "course")


@pytest.fixture
def start(make_server, course, monkeypatch):
    """The student's server starts, with what the course has then."""
    install(monkeypatch, Library())
    monkeypatch.setattr("labs_extension.gpu.nvml.has_nvidia_gpu", lambda pci: False)

    def started() -> Server:
        return make_server(
            "jupyterlab",
            course_folder="course",
            course_repository=f"file://{course.folder}",
            course_ref="main",
        )

    return started


@pytest.fixture
async def window(browser):
    context = await browser.new_context(viewport={"width": 1300, "height": 900})
    made = await context.new_page()
    yield made
    await context.close()


async def opens(window, server: Server, document: str = "") -> None:
    base = f"http://127.0.0.1:{server.port}{server.app.base_url}lab"
    tree = f"/tree/{document}" if document else ""
    await window.goto(f"{base}{tree}?reset&token={TOKEN}")
    if not await window.locator(PANEL).is_visible():
        await window.locator(".jp-gpuspawner-status button").click(timeout=PATIENCE)
    await expect(window.locator(PANEL)).to_be_visible(timeout=PATIENCE)


async def test_an_update_keeps_what_a_student_wrote_and_shows_the_new_one_beside(
    start, course, window, shots
):
    course.publishes(one="The first lesson", two="The second lesson")
    server = start()
    await opens(window, server, "course/ko/one.ipynb")
    await expect(window.locator(PANEL)).to_contain_text("New: 2")
    await window.locator(".jp-Notebook .jp-Cell .cm-content").first.click(timeout=PATIENCE)
    await window.keyboard.press("Control+End")
    await window.keyboard.type(" and my own words")
    await window.keyboard.press("Control+s")
    saved = Path(server.app.root_dir) / "course/ko/one.ipynb"
    for _ in range(300):
        if "my own words" in saved.read_text():
            break
        await window.wait_for_timeout(50)
    await server.stop()

    course.publishes(one="The first lesson, corrected", two="The second, corrected", three="Third")
    server = start()
    await opens(window, server, "course/ko/one.ipynb")
    panel = window.locator(PANEL)
    for words in ("New: 1", "Updated: 1", "Kept as yours: 1"):
        await expect(panel).to_contain_text(words)
    notebook = window.locator(".jp-Notebook:visible")
    await expect(notebook).to_contain_text("The first lesson and my own words", timeout=PATIENCE)
    await panel.get_by_role("button", name="ko/one (new ").click()
    await expect(notebook).to_contain_text("The first lesson, corrected", timeout=PATIENCE)
    await window.screenshot(path=shots / "lab-course-en.png")
    await panel.get_by_role("button", name="ko/two.ipynb").click()
    await expect(notebook).to_contain_text("The second, corrected", timeout=PATIENCE)

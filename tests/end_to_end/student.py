"""A student at a browser."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.end_to_end.classroom import Classroom

PATIENT = 90_000


@dataclass
class Student:
    page: Page
    room: Classroom
    name: str
    shots: Path

    def logs_in(self) -> None:
        self.page.goto(f"{self.room.url}/hub/login?next=/hub/home")
        self.page.get_by_label("Username").fill(self.name)
        self.page.get_by_label("Password").fill("demo")
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url("**/hub/home")

    def opens(self, path: str) -> None:
        self.page.goto(f"{self.room.url}/{path}")

    def picks(self, machine: str, server: str = "") -> None:
        self.opens(f"hub/spawn/{self.name}/{server}".rstrip("/"))
        self.page.get_by_role("radio", name=machine).check()

    def presses_start(self) -> None:
        self.page.get_by_role("button", name="Start this machine").click()

    def reaches_lab(self, server: str = "") -> None:
        path = f"/user/{self.name}/{server}/lab" if server else f"/user/{self.name}/lab"
        self.page.wait_for_url(f"**{path}**", timeout=PATIENT, wait_until="commit")
        expect(self.page.locator("#jp-main-dock-panel")).to_be_visible(timeout=PATIENT)

    def runs_a_cell(self, code: str) -> None:
        """A new notebook, one cell, Shift+Enter."""
        self.writes_a_cell(code)
        self.page.keyboard.press("Shift+Enter")

    def writes_a_cell(self, code: str) -> None:
        """A new notebook, and its one cell is not run yet."""
        self.page.locator('.jp-LauncherCard[data-category="Notebook"]').first.click()
        cell = self.page.locator(".jp-Notebook .jp-Cell .cm-content").first
        expect(cell).to_be_visible(timeout=PATIENT)
        expect(self.page.locator("#jp-main-statusbar")).to_contain_text("| Idle", timeout=PATIENT)
        cell.click()
        self.page.keyboard.type(code)

    def sees_output(self, text: str) -> None:
        expect(self.page.locator(".jp-OutputArea-output").first).to_contain_text(
            text, timeout=PATIENT
        )

    def file(self, path: str, server: str = "") -> str:
        """A file of the home, through the running server."""
        prefix = f"{self.name}/{server}" if server else self.name
        answer = self.page.request.get(f"{self.room.url}/user/{prefix}/api/contents/{path}")
        assert answer.ok, answer.text()
        return answer.json()["content"]

    def stops(self) -> None:
        self.opens("hub/home")
        self.page.get_by_role("button", name="Stop my machine").click()

    def sees_it_off(self) -> None:
        """The home page says by itself that the machine is off, and how to start again."""
        link = self.page.get_by_role("link", name="Choose a machine and start")
        expect(link).to_be_visible(timeout=PATIENT)

    def shoots(self, name: str) -> None:
        self.page.screenshot(path=self.shots / f"{name}.png", full_page=True)

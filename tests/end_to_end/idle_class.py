"""An afternoon in a class whose limits are seconds: every student forgets in another way, all at once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, expect, sync_playwright

from tests.driver import Driver
from tests.end_to_end.classroom import CHROMIUM, FLAGS, Classroom, wait_until
from tests.end_to_end.student import PATIENT, Student

WITH_TAB, WITHOUT_TAB, NO_SHOW = 60.0, 25.0, 60.0
GPU_CAP, PROCESSOR_CAP, KERNEL_CAP, WORK_DONE = 50.0, 40.0, 10.0, 14.0
EXTENSION = 40.0
SETTINGS = f"""
c = get_config()
c.Idle.with_tab_timeout = c.Idle.in_class_timeout = {WITH_TAB}
c.Idle.without_tab_timeout = {WITHOUT_TAB}
c.Idle.tab_grace = 3.0
c.Idle.no_show_timeout = {NO_SHOW}
c.Idle.attended_work = 5.0
c.Idle.work_done_timeout = {WORK_DONE}
c.Idle.gpu_cap = {GPU_CAP}
c.Idle.processor_floor = 10.0  # a busy computer may not give one loop more than that
c.Idle.processor_cap = {PROCESSOR_CAP}
c.Idle.kernel_cap = {KERNEL_CAP}
c.Idle.lease_window = 14.0
c.Idle.warning = 12.0
c.Idle.minimum_uptime = 5.0
c.Session.extension = {EXTENSION}
c.Session.extensions_per_day = 1
"""

FORGETS, COMPUTES, TERMINAL, ASKS, KEEPS, AWAY, TRAINS = (f"student{one}" for one in range(1, 8))
UNSAVED = "never_saved_by_anybody = 6 * 7"
WARNING = "Your machine stops at"


@dataclass
class Afternoon:
    """What was seen. `acted` is just before each student's last act, `trouble` what went wrong."""

    room: Classroom
    acted: dict[str, datetime] = field(default_factory=dict)
    seen: dict[str, Any] = field(default_factory=dict)
    trouble: dict[str, BaseException] = field(default_factory=dict)
    claims: dict[str, dict[str, Any]] = field(default_factory=dict)
    homes: dict[str, Path] = field(default_factory=dict)

    def story(self, name: str) -> dict[str, Any]:
        """The claim of a student whose part could be played."""
        if name in self.trouble:
            raise self.trouble[name]
        return self.claims[name]

    def lasted(self, name: str) -> timedelta:
        """From what the student did last to the wish to stop."""
        ended = datetime.fromisoformat(self.story(name)["desired_at"])
        return ended - self.acted[name]

    def acts(self, name: str) -> None:
        self.acted[name] = datetime.now(timezone.utc)

    def home(self, name: str) -> Path:
        """The folder behind the student's home disk, which no later start changes."""
        if name not in self.homes:
            status = self.room.status()
            [claim] = [one for one in status["claims"] if one["owner"]["user_name"] == name]
            [home] = [one for one in status["homes"] if one["claim"] == claim["name"]]
            self.homes[name] = self.room.folder / "ec2" / "volumes" / home["id"] / "data"
        return self.homes[name]


class Play:
    """Everybody's part. Whoever is there at once has a browser of their own, the others take turns."""

    def __init__(self, room: Classroom, chromium: Browser, card: Driver, shots: Path) -> None:
        self.room, self.card, self.shots, self.chromium = room, card, shots, chromium
        self.day = Afternoon(room)
        self._asking = ThreadPoolExecutor()
        self._asked: list[Future[Any]] = []

    def run(self) -> Afternoon:
        """Until every machine is off."""
        self._starts(AWAY, KEEPS, COMPUTES)
        other = threading.Thread(target=self._in_another_browser, args=(KEEPS, self._keeps))
        other.start()
        parts = (
            (COMPUTES, self._computes, TRAINS), (TRAINS, self._trains, TERMINAL),
            (TERMINAL, self._in_a_terminal, ASKS), (ASKS, self._asks, FORGETS),
            (FORGETS, self._forgets, None),
        )  # fmt: skip
        for name, part, following in parts:
            if following:
                self._starts(following)
            self._plays(self.chromium, name, part)
        other.join()
        for request in self._asked:
            request.result()
        wait_until(self._are_off, 150, self.room.world)
        self.day.claims = {one["owner"]["user_name"]: one for one in self.room.status()["claims"]}
        return self.day

    def _starts(self, *names: str) -> None:
        """Ask for them all at once: the hub answers only after some seconds of each start."""
        for name in names:
            self._asked.append(self._asking.submit(self.room.hub, "POST", f"users/{name}/server"))

    def _in_another_browser(self, name: str, part: Callable[[Student], None]) -> None:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
            self._plays(browser, name, part)
            browser.close()

    def _plays(self, browser: Browser, name: str, part: Callable[[Student], None]) -> None:
        """A part that cannot be played spoils no other."""
        context = browser.new_context(viewport={"width": 1200, "height": 900}, locale="en-US")
        page = context.new_page()
        page.set_default_timeout(60_000)
        one = Student(page, self.room, name, self.shots)
        try:
            one.logs_in()
            wait_until(lambda: self._is_ready(name), 90, self.room.world)
            one.page.goto(f"{self.room.url}/user/{name}/lab", wait_until="commit")
            one.reaches_lab()
            part(one)
        except Exception as error:  # noqa: BLE001 - the test of this student raises it
            one.shoots(f"idle-trouble-{name}")
            self.day.trouble[name] = error
        finally:
            context.close()

    def _is_ready(self, name: str) -> bool:
        servers = self.room.hub("GET", f"users/{name}")["servers"]
        return bool(servers.get("", {}).get("ready"))

    def _are_off(self) -> bool:
        return {one["state"] for one in self.room.machines()} == {"stopped"}

    def _runs(self, one: Student, code: str) -> None:
        one.writes_a_cell(code)
        self.day.acts(one.name)
        one.page.keyboard.press("Shift+Enter")

    def _leaves(self, one: Student) -> None:
        """As somebody does who closes the laptop."""
        one.page.goto("about:blank")

    def _computes(self, one: Student) -> None:
        self._runs(one, "while True: pass")
        expect(one.page.locator("#jp-main-statusbar")).to_contain_text("| Busy")
        self._leaves(one)

    def _trains(self, one: Student) -> None:
        """What a training does on a GPU; the cell itself is over at once."""
        machine = self.room.machine(one.name)
        assert machine
        self.card.works(machine["id"], 42)
        self._runs(one, "6 * 7")
        one.sees_output("42")

        def sees_it() -> bool:
            path = f"{self.room.url}/user/{one.name}/gpuspawner/api/gpu"
            self.day.seen["gpu"] = one.page.request.get(path).json()
            return any(gpu["utilization"] for gpu in self.day.seen["gpu"]["devices"])

        wait_until(sees_it, 20, self.room.world)
        self._leaves(one)

    def _in_a_terminal(self, one: Student) -> None:
        one.page.locator('.jp-LauncherCard[data-category="Other"]', has_text="Terminal").click()
        expect(one.page.locator(".jp-Terminal .xterm-screen")).to_be_visible()
        one.page.locator(".jp-Terminal").click()
        one.page.keyboard.type("sh -c 'touch begun; while :; do :; done'")
        self.day.acts(one.name)
        one.page.keyboard.press("Enter")
        wait_until((self.day.home(one.name) / "begun").exists, 30, self.room.world)
        self._leaves(one)

    def _asks(self, one: Student) -> None:
        self._runs(one, "input('What is it? ')")
        one.sees_output("What is it?")
        self._leaves(one)

    def _keeps(self, one: Student) -> None:
        self._runs(one, "6 * 7")
        one.sees_output("42")
        button = one.page.get_by_role("button", name="Keep running +40 s")
        expect(button).to_be_visible(timeout=PATIENT)
        self.day.acts(one.name)
        button.click()
        expect(one.page.get_by_text(WARNING)).to_have_count(0)
        one.page.locator(".jp-gpuspawner-status button").click()
        panel = one.page.locator(".jp-gpuspawner-panel")
        expect(panel).to_contain_text("Not again today.")
        expect(panel.get_by_role("button", name="Keep running")).to_be_disabled()
        one.shoots("idle-kept")
        self._ends_at_the_hub(one)

    def _forgets(self, one: Student) -> None:
        """The last cell is written, and neither run nor saved."""
        self._runs(one, "6 * 7")
        one.sees_output("42")
        one.page.keyboard.type(UNSAVED)
        expect(one.page.locator(".jp-Notebook .jp-Cell").nth(1)).to_contain_text("never_saved")
        self.day.seen["before"] = self._notebook(one)
        warning = one.page.get_by_text(WARNING)
        expect(warning).to_be_visible(timeout=PATIENT)
        self.day.seen["warning"] = warning.inner_text()
        one.shoots("idle-warned")
        self.day.seen["home"] = self._ends_at_the_hub(one)
        self.day.seen["after"] = self._notebook(one)

    def _ends_at_the_hub(self, one: Student) -> str:
        """The page goes to the hub's by itself, which says why."""
        one.page.wait_for_url("**/hub/home", timeout=PATIENT)
        one.sees_it_off()
        one.shoots(f"idle-home-{one.name}")
        return one.page.locator("body").inner_text()

    def _notebook(self, one: Student) -> list[str]:
        """What is written in the cells of the notebook on the disk."""
        text = (self.day.home(one.name) / "Untitled.ipynb").read_text(encoding="utf-8")
        return ["".join(cell["source"]) for cell in json.loads(text)["cells"]]

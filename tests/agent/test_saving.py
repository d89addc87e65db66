"""Open pages are asked to save before a stop, and waited for, but never longer than told."""

from __future__ import annotations

import json
from typing import Any

from gpuspawner.agent.heartbeat import SENSORS
from gpuspawner.agent.machine import Phase
from tests.agent.conftest import FolderMachine
from tests.agent.fake_controller import FakeController


def sensed(machine: FolderMachine, **said: Any) -> None:
    """The server writes its sensors."""
    path = machine.root / SENSORS
    path.write_text(json.dumps({"server": "a", "sequence": machine.clock.now, **said}))


def test_an_open_page_is_asked_to_save_and_the_server_ends_once_it_has(
    machine: FolderMachine, controller: FakeController
) -> None:
    agent = machine.up()
    sensed(machine, tabs={"open": 1}, saved=None)
    controller.change(verdict="save_and_stop")
    machine.until(agent, lambda: agent.phase is Phase.SAVING)
    machine.until(agent, lambda: machine.session()["session"] is not None)
    assert machine.session()["session"] == {"save": "stop-1"}
    assert "saved" not in controller.stages
    begun = machine.clock.now
    sensed(machine, tabs={"open": 1}, saved={"request": "stop-1", "documents": 1, "failed": []})
    machine.until(agent, lambda: "saved" in controller.stages)
    assert machine.clock.now - begun < 5


def test_a_page_that_never_answers_is_waited_for_half_a_minute_and_no_longer(
    machine: FolderMachine, controller: FakeController
) -> None:
    agent = machine.up()
    sensed(machine, tabs={"open": 1}, saved=None)
    controller.change(verdict="save_and_stop")
    machine.until(agent, lambda: agent.phase is Phase.SAVING)
    begun = machine.clock.now
    machine.until(agent, lambda: "saved" in controller.stages)
    assert 25 <= machine.clock.now - begun <= 35


def test_a_stop_that_is_taken_back_while_it_waits_leaves_the_server_running(
    machine: FolderMachine, controller: FakeController
) -> None:
    agent = machine.up()
    sensed(machine, tabs={"open": 1}, saved=None)
    controller.change(verdict="save_and_stop")
    machine.until(agent, lambda: agent.phase is Phase.SAVING)
    controller.change(verdict="warn")
    machine.until(agent, lambda: agent.phase is Phase.UP)
    assert "saved" not in controller.stages


def test_a_controller_that_is_really_gone_is_warned_of_saved_for_and_powered_off_after(
    machine: FolderMachine, controller: FakeController
) -> None:
    agent = machine.up()
    controller.close()  # nothing listens there any more
    seen: list[tuple[str, str | None]] = []

    def look() -> bool:
        said = machine.session() if (machine.root / "run/gpuspawner/session.json").exists() else {}
        now = str(said.get("verdict")), (said.get("session") or {}).get("save")
        if not seen or seen[-1] != now:
            seen.append(now)
        return agent.phase is Phase.OFF

    machine.until(agent, look)
    assert seen[-2:] == [("warn", None), ("save_and_stop", "unreachable")]
    assert (machine.root / "home/student/ended-gently").exists()
    assert machine.commands[-3:] == ["umount /home/student", "sync", "shutdown -h now"]

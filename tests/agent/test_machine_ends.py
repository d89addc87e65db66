"""What the loop does when something goes wrong, and how a machine that nobody wants ends."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from gpuspawner.agent.machine import Phase
from tests.agent.conftest import STUB, FolderMachine
from tests.agent.fake_controller import FakeController, orders


def test_a_server_that_dies_is_started_again_twice_and_then_reported_without_secrets(
    machine: FolderMachine, controller: FakeController
) -> None:
    shell = "echo token=$JUPYTERHUB_API_TOKEN; echo cannot start; exit 3"
    controller.orders = {**controller.orders, "command": ["sh", "-c", shell]}
    agent = machine.start()
    machine.until(agent, lambda: "failed" in controller.stages)
    generation, stage, detail = controller.reports[-1]
    assert (generation, stage) == (1, "failed")
    assert detail == "token=[redacted]\ncannot start\n" * 3
    assert len(machine.ran("setpriv")) == 3
    until = machine.clock.now + 500
    machine.until(agent, lambda: machine.clock.now > until)
    assert controller.heartbeats[-1]["server"] == "stopped"


def test_a_server_that_is_killed_in_a_session_is_started_again(
    machine: FolderMachine, controller: FakeController
) -> None:
    agent = machine.up()
    first = machine.server(agent)
    os.kill(first, signal.SIGKILL)
    machine.until(agent, lambda: machine.server(agent) != first)
    assert "failed" not in controller.stages


def test_a_home_that_cannot_be_mounted_fails_the_start_with_the_reason(
    machine: FolderMachine, controller: FakeController
) -> None:
    (machine.bin / "mount").write_text("#!/bin/sh\necho bad superblock >&2\nexit 32\n")
    agent = machine.start()
    machine.until(agent, lambda: "failed" in controller.stages)
    assert "bad superblock" in controller.reports[-1][2]
    assert machine.ran("setpriv") == []


def test_a_long_failure_is_cut_to_eight_kibibytes(
    machine: FolderMachine, controller: FakeController
) -> None:
    shell = "yes 까닭 | head -c 40000; exit 1"
    controller.orders = {**controller.orders, "command": ["sh", "-c", shell]}
    agent = machine.start()
    machine.until(agent, lambda: "failed" in controller.stages)
    assert 8000 < len(controller.reports[-1][2].encode()) <= 8192


BROKEN_HOME = """
import os, runpy, sys
settings = os.environ.get("JUPYTER_CONFIG_DIR", os.path.expanduser("~/.jupyter"))
if os.path.exists(settings + "/jupyter_server_config.py"):
    sys.exit("broken settings")
runpy.run_path({stub!r}, run_name="__main__")
"""


@pytest.fixture
def picky(machine, controller, tmp_path):
    """A server that does not start where its student's settings are broken."""
    program = tmp_path / "picky.py"
    program.write_text(BROKEN_HOME.format(stub=str(STUB)))
    controller.orders = {**controller.orders, "command": [sys.executable, str(program)]}
    return program


def environment_of(pid):
    text = Path(f"/proc/{pid}/environ").read_text()
    return dict(entry.split("=", 1) for entry in text.split("\0") if entry)


def test_broken_settings_are_left_out_at_the_last_try_and_nothing_of_them_is_touched(
    machine, picky
):
    home = machine.root / "home" / "student"
    broken = home / ".jupyter" / "jupyter_server_config.py"
    broken.parent.mkdir(parents=True)
    broken.write_text("this is not Python")
    agent = machine.up()
    seen = environment_of(machine.server(agent))
    clean = machine.root / "run/gpuspawner/server/without-settings"
    assert seen["GPUSPAWNER_WITHOUT_SETTINGS"] == "1"
    assert seen["JUPYTER_CONFIG_DIR"] == str(clean / "config")
    assert broken.read_text() == "this is not Python"


def test_settings_that_work_are_used(machine, picky):
    agent = machine.up()
    assert "GPUSPAWNER_WITHOUT_SETTINGS" not in environment_of(machine.server(agent))


def test_an_agent_that_is_restarted_resumes_with_its_key_and_its_mounted_home(
    machine: FolderMachine, controller: FakeController
) -> None:
    agent = machine.up()
    key = controller.key
    agent._session.server.stop()
    machine.up()
    assert controller.key == key
    assert len(machine.ran("mkfs.ext4")) == 1
    assert len(machine.ran("mount")) == 1
    assert len(machine.ran("useradd")) == 1


def test_a_restarted_agent_goes_on_counting(
    machine: FolderMachine, controller: FakeController
) -> None:
    agent = machine.up()
    machine.until(agent, lambda: len(controller.heartbeats) >= 3)
    agent._close()
    second = machine.up()
    machine.until(second, lambda: len(controller.heartbeats) >= 6)
    numbers = [beat["sequence"] for beat in controller.heartbeats]
    assert numbers == sorted(set(numbers))


def test_a_controller_that_comes_back_finds_the_server_as_it_was(
    machine: FolderMachine, controller: FakeController
) -> None:
    agent = machine.up()
    first = machine.server(agent)
    controller.change(refuse=503)
    until = machine.clock.now + 1200
    machine.until(agent, lambda: machine.clock.now > until)
    controller.change(refuse=None)
    machine.until(agent, lambda: controller.requests[-1] == "heartbeat")
    assert agent.phase is Phase.UP
    assert machine.server(agent) == first


def test_an_unreachable_controller_for_half_an_hour_warns_saves_and_powers_off(
    machine: FolderMachine, controller: FakeController
) -> None:
    agent = machine.up()
    controller.change(refuse=503)
    silent_since = machine.clock.now
    machine.until(agent, lambda: machine.clock.now > silent_since + 1600)
    assert machine.session()["reason"] == "unreachable"
    assert agent.phase is Phase.UP
    machine.until(agent, lambda: agent.phase is Phase.OFF)
    assert 1790 <= machine.clock.now - silent_since <= 1840
    assert (machine.root / "home/student/ended-gently").exists()
    assert machine.commands[-3:] == ["umount /home/student", "sync", "shutdown -h now"]


def test_a_machine_that_is_disowned_for_ten_minutes_powers_off(
    machine: FolderMachine, controller: FakeController
) -> None:
    agent = machine.up()
    controller.change(refuse=404)
    since = machine.clock.now
    machine.until(agent, lambda: agent.phase is Phase.OFF)
    assert 590 <= machine.clock.now - since <= 640


def test_a_machine_whose_ticket_has_died_powers_off_though_it_never_began(
    machine: FolderMachine, controller: FakeController
) -> None:
    controller.change(refuse=410)
    agent = machine.start()
    machine.until(agent, lambda: agent.phase is Phase.OFF)
    assert machine.clock.now - 1000 <= 640


def test_a_machine_on_which_no_session_is_wanted_powers_off_and_starts_nothing(
    machine: FolderMachine, controller: FakeController
) -> None:
    controller.change(orders=None)
    agent = machine.start()
    machine.until(agent, lambda: agent.phase is Phase.OFF)
    assert machine.ran("setpriv") == []


def test_a_power_off_that_fails_is_tried_again(
    machine: FolderMachine, controller: FakeController
) -> None:
    controller.change(refuse=410)
    (machine.bin / "shutdown").write_text(
        f'#!/bin/sh\necho "shutdown" >> {machine.log}\ntest -e {machine.state}/twice && exit 0\n'
        f"touch {machine.state}/twice\nexit 1\n"
    )
    agent = machine.start()
    machine.until(agent, lambda: agent.phase is Phase.OFF)
    assert len(machine.ran("shutdown")) == 2


def test_the_end_of_the_service_ends_the_server_gently_and_reports_nothing(
    machine: FolderMachine, controller: FakeController
) -> None:
    agent = machine.up()
    agent.end()
    agent.run()
    assert (machine.root / "home/student/ended-gently").exists()
    assert controller.stages[-1] == "up"
    assert machine.ran("shutdown") == []


def test_what_the_controller_says_is_shown_to_the_student(
    machine: FolderMachine, controller: FakeController
) -> None:
    agent = machine.up()
    machine.until(agent, lambda: controller.heartbeats)
    machine.until(agent, lambda: (machine.root / "run/gpuspawner/session.json").exists())
    assert machine.session() == {
        "verdict": "keep",
        "reason": None,
        "sentence": None,
        "deadline": None,
        "balance": None,
        "session": None,
    }


def test_orders_that_make_no_sense_are_asked_for_again(
    machine: FolderMachine, controller: FakeController
) -> None:
    good = controller.orders
    controller.orders = orders(user="root")
    agent = machine.start()
    machine.until(agent, lambda: controller.requests.count("environment") >= 3)
    assert controller.stages == []
    controller.orders = good
    machine.until(agent, lambda: agent.phase is Phase.UP)

"""The loop from boot to power-off, with a real server process and a clock turned by hand."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gpuspawner.agent.machine import Phase
from tests.agent.conftest import FolderMachine
from tests.agent.fake_controller import FakeController
from tests.ports import free_port

ADD_USER = (
    "useradd --uid 1000 --user-group --no-create-home --shell /bin/bash"
    " --home-dir /home/student student"
)


def test_a_boot_reports_each_stage_once_and_in_order(
    machine: FolderMachine, controller: FakeController
) -> None:
    machine.up()
    assert controller.reports == [
        (1, "boot", ""),
        (1, "home", ""),
        (1, "server", ""),
        (1, "up", ""),
    ]
    assert machine.commands == [
        "id -u student",
        ADD_USER,
        "mountpoint -q /home/student",
        "blkid -p /dev/disk/by-id/home",
        "mkfs.ext4 -q -m 0 -L home /dev/disk/by-id/home",
        "mount -o nosuid,nodev /dev/disk/by-id/home /home/student",
        "chown student:student /home/student",
        "chown student:student /run/gpuspawner/server",
        f"setpriv --reuid=student --regid=student --init-groups -- {sys.executable} "
        + machine.commands[-1].rsplit(" ", 1)[1],
    ]


def test_the_server_gets_the_environment_and_the_agents_own_address_and_path(
    machine: FolderMachine, controller: FakeController
) -> None:
    agent = machine.up()
    raw = Path(f"/proc/{machine.server(agent)}/environ").read_text()
    environment = dict(item.split("=", 1) for item in raw.split("\0") if item)
    environment.pop("PWD", None)  # the fake setpriv is a shell
    port = controller.orders["port"]
    assert environment == {
        **controller.orders["environment"],
        "HOME": str(machine.root / "home/student"),
        "USER": "student",
        "LOGNAME": "student",
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
        "PATH": os.environ["PATH"],
        "GPUSPAWNER_SENSORS_FILE": str(machine.root / "run/gpuspawner/server/sensors.json"),
        "GPUSPAWNER_SESSION_FILE": str(machine.root / "run/gpuspawner/session.json"),
        "GPUSPAWNER_API_URL": controller.url.removesuffix("/agent"),
        "GPUSPAWNER_CLAIM": "gs-alice",
        "GPUSPAWNER_GENERATION": "1",
        "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{port}/user/alice/",
    }


def test_no_secret_is_an_argument_of_any_command(
    machine: FolderMachine, controller: FakeController
) -> None:
    machine.up()
    said = machine.log.read_text()
    for secret in ("hub-token-0123456789", controller.ticket, controller.key or ""):
        assert secret not in said


def test_without_a_home_the_agent_asks_again_and_starts_nothing(
    machine: FolderMachine, controller: FakeController
) -> None:
    controller.orders = {**controller.orders, "home": None}
    agent = machine.start()
    machine.until(agent, lambda: controller.requests.count("environment") >= 4)
    assert controller.stages == ["boot", "home"]
    assert machine.ran("setpriv") == []


def test_without_an_address_the_agent_asks_again_and_starts_nothing(
    machine: FolderMachine, controller: FakeController
) -> None:
    good = controller.orders
    controller.orders = {**good, "address": None}
    agent = machine.start()
    machine.until(agent, lambda: controller.requests.count("environment") >= 3)
    assert machine.ran("setpriv") == []
    controller.orders = good
    machine.until(agent, lambda: agent.phase is Phase.UP)


def test_a_device_that_is_not_visible_yet_is_waited_for(
    machine: FolderMachine, controller: FakeController
) -> None:
    machine.device.unlink()
    agent = machine.start()
    machine.until(agent, lambda: controller.requests.count("environment") >= 3)
    machine.device.write_bytes(bytes(4096))
    machine.until(agent, lambda: agent.phase is Phase.UP)


def test_save_and_stop_saves_reports_and_waits(
    machine: FolderMachine, controller: FakeController
) -> None:
    agent = machine.up()
    controller.verdict = "save_and_stop"
    machine.until(agent, lambda: "saved" in controller.stages)
    assert (machine.root / "home/student/ended-gently").exists()
    assert machine.commands[-3:] == ["sync", "mountpoint -q /home/student", "umount /home/student"]
    assert machine.ran("shutdown") == []
    assert controller.stages.count("saved") == 1


def test_a_saved_machine_that_nobody_switches_off_does_so_after_ten_minutes(
    machine: FolderMachine, controller: FakeController
) -> None:
    agent = machine.up()
    controller.verdict = "save_and_stop"
    machine.until(agent, lambda: "saved" in controller.stages)
    saved_at = machine.clock.now
    machine.until(agent, lambda: agent.phase is Phase.OFF)
    assert 590 <= machine.clock.now - saved_at <= 610
    assert machine.commands[-1] == "shutdown -h now"


def test_a_newer_generation_gets_a_server_of_its_own(
    machine: FolderMachine, controller: FakeController
) -> None:
    agent = machine.up()
    first = machine.server(agent)
    environment = {**controller.orders["environment"], "JUPYTERHUB_API_TOKEN": "another-token"}
    controller.change(
        orders={
            **controller.orders,
            "generation": 2,
            "environment": environment,
            "port": free_port(),
        }
    )
    machine.until(agent, lambda: (2, "up", "") in controller.reports)
    assert machine.server(agent) != first
    assert controller.heartbeats[-1]["generation"] in {1, 2}


def test_later_orders_count_though_the_controller_has_forgotten_how_far_it_had_counted(
    machine: FolderMachine, controller: FakeController
) -> None:
    controller.change(orders={**controller.orders, "generation": 7, "issued": 1000.0})
    agent = machine.up()
    first = machine.server(agent)
    fresh = {**controller.orders, "generation": 2, "issued": 2000.0, "port": free_port()}
    controller.change(orders=fresh)
    machine.until(agent, lambda: (2, "up", "") in controller.reports)
    assert machine.server(agent) != first


def test_a_controller_that_has_forgotten_the_orders_leaves_the_session_alone(
    machine: FolderMachine, controller: FakeController
) -> None:
    controller.change(orders={**controller.orders, "generation": 7, "issued": 1000.0})
    agent = machine.up()
    first = machine.server(agent)
    controller.change(orders={**controller.orders, "generation": 1, "issued": None})
    beats = len(controller.heartbeats)
    machine.until(agent, lambda: len(controller.heartbeats) > beats + 2)
    assert (machine.server(agent), agent.phase) == (first, Phase.UP)


def test_a_session_saved_and_wanted_again_is_not_switched_off(
    machine: FolderMachine, controller: FakeController
) -> None:
    agent = machine.up()
    controller.verdict = "save_and_stop"
    machine.until(agent, lambda: "saved" in controller.stages)
    controller.change(verdict="keep", orders={**controller.orders, "generation": 2})
    machine.until(agent, lambda: (2, "up", "") in controller.reports)
    until = machine.clock.now + 700
    machine.until(agent, lambda: machine.clock.now > until)
    assert agent.phase is Phase.UP


def test_a_verdict_to_stop_holds_though_the_generation_is_newer(
    machine: FolderMachine, controller: FakeController
) -> None:
    agent = machine.up()
    controller.change(verdict="save_and_stop", orders={**controller.orders, "generation": 2})
    machine.until(agent, lambda: "saved" in controller.stages)

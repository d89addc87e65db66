"""A machine, booted for real: the agent runs in it as it would on EC2, against a fake controller.

Every test runs in namespaces (as whoever runs the tests) and without.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.emulator.machine.machines import (
    DEVICE,
    HERE,
    VOLUME,
    World,
    alive,
    descendants,
    listening,
    wait_until,
    world_apart,
)


def test_a_session_goes_from_the_ticket_to_the_power_off(world: World) -> None:
    alice = world.machine()
    alice.boot()
    alice.wait_until_up()
    assert alice.controller.stages == ["boot", "home", "server", "up"]
    alice.says("echo done > homework")
    alice.wait_for(lambda c: c.heartbeats and c.heartbeats[-1]["server"] == "running")
    alice.controller.change(verdict="save_and_stop")
    alice.wait_for(lambda c: "saved" in c.stages)
    home = world.volume() / "data"
    assert (home / "homework").read_text() == "done\n"
    assert (home / "ended-gently").exists()
    assert world.events == []
    before = world.processes()
    assert len(before) > 1
    world.host.power_off("i-1")
    assert "going down for power-off" in alice.console
    assert alive(before) == set()
    assert world.events == []


def test_a_reboot_keeps_the_key_and_the_home_and_is_another_boot(world: World) -> None:
    alice = world.machine()
    alice.boot()
    alice.wait_until_up()
    alice.says("echo done > homework")
    key = alice.controller.key
    first = alice.wait_for(lambda c: c.heartbeats)[-1]["boot_id"]
    world.host.reboot("i-1")
    alice.wait_until_up(times=2)
    assert alice.controller.key == key
    assert alice.says("cat homework") == "done"
    again = alice.wait_for(lambda c: [b for b in c.heartbeats if b["boot_id"] != first])
    assert again[0]["boot_id"]


@pytest.mark.parametrize("command", ["poweroff", "sudo shutdown -h now"])
def test_power_off_typed_in_a_terminal_ends_this_machine_and_tells(
    world: World, command: str
) -> None:
    alice = world.machine()
    alice.boot()
    alice.wait_until_up()
    before = world.processes()
    alice.type(command)
    world.wait_for(("i-1", "poweroff"))
    assert alive(before) == set()
    assert (world.volume() / "data/ended-gently").exists()


@pytest.mark.parametrize("command", ["reboot", "sudo shutdown -r now"])
def test_reboot_typed_in_a_terminal_boots_the_machine_again_and_tells_nobody(
    world: World, command: str
) -> None:
    alice = world.machine()
    alice.boot()
    alice.wait_until_up()
    alice.type(command)
    alice.wait_until_up(times=2)
    assert world.events == []


def test_the_home_survives_the_machine(world: World) -> None:
    alice = world.machine()
    alice.boot()
    alice.wait_until_up()
    alice.says("echo done > homework")
    world.host.destroy("i-1")
    assert not (world.folder / "machines/i-1").exists()
    later = world.machine("i-2")
    later.boot()
    later.wait_until_up()
    assert later.says("cat homework") == "done"
    assert "making a file system" not in later.console


def test_a_home_attached_while_the_machine_runs_is_found(world: World) -> None:
    alice = world.machine()
    orders = alice.controller.orders
    assert orders is not None
    alice.controller.orders = {**orders, "home": None}
    world.host.boot("i-1", address=alice.address, user_data=alice.controller.user_data, volumes={})
    alice.wait_for(lambda c: "home" in c.stages)
    assert "server" not in alice.controller.stages
    world.host.attach("i-1", VOLUME, world.volume())
    alice.controller.change(orders=orders)
    alice.wait_until_up()
    assert alice.says("mountpoint -q $HOME && echo mounted") == "mounted"


def test_a_volume_detached_is_seen_no_more(world: World) -> None:
    alice = world.machine()
    alice.boot()
    alice.wait_until_up()
    world.host.attach("i-1", "vol-0aa", world.volume("vol-0aa"))
    seen = "ls -d {}/dev/disk/by-id/*vol0aa".format(
        "" if world.host._how.mode != "plain" else world.folder / "machines/i-1/disk"
    )
    wait_until(lambda: alice.type(seen)["code"] == 0)
    world.host.detach("i-1", "vol-0aa")
    wait_until(lambda: alice.type(seen)["code"] != 0)


@pytest.mark.parametrize("kind", ["apart", "plain"])
def test_nothing_is_left_when_the_host_is_killed(folder: Path, kind: str) -> None:
    script = f"""
import sys, time
from pathlib import Path
from tests.emulator.machine.machines import *
folder = Path({str(folder)!r})
world = world_apart(folder) if {kind!r} == "apart" else world_of_everybody(folder, namespaces=False)
alice = world.machine()
alice.boot()
alice.wait_until_up()
print(alice.address, flush=True)
sys.stdin.read()
"""
    host = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=HERE.parents[2],
    )
    assert host.stdout is not None
    assert host.stdin is not None
    address = host.stdout.readline().decode().strip()
    assert address.startswith("127.")
    before = descendants(host.pid)
    assert len(before) > 1
    assert listening(address)
    host.send_signal(signal.SIGKILL)
    host.wait()
    host.stdout.close()
    host.stdin.close()
    wait_until(lambda: not alive(before))
    assert not listening(address)


def test_close_leaves_no_process(world: World) -> None:
    alice = world.machine()
    alice.boot()
    alice.wait_until_up()
    alice.says("(setsid sleep 1000 >/dev/null 2>&1 &)")
    before = world.processes()
    world.host.close()
    assert not listening(alice.address)
    assert alive(before) == set()


def test_an_agent_that_is_killed_is_started_again(world: World) -> None:
    alice = world.machine()
    alice.boot()
    alice.wait_until_up()
    alice.type("sudo pkill -9 -f gpuspawner-agent.run")
    alice.wait_until_up(times=2)
    assert "the agent ended with -9" in alice.console


def test_a_machine_that_is_off_takes_a_volume_without_a_word(world: World) -> None:
    world.host.attach("i-1", VOLUME, world.volume())
    world.host.detach("i-1", VOLUME)
    world.host.power_off("i-1")
    assert world.host.console("i-1") == ""


def test_a_machine_that_runs_is_not_booted_twice(world: World) -> None:
    alice = world.machine()
    alice.boot()
    with pytest.raises(ValueError, match="is running"):
        alice.boot()


def test_an_id_that_is_a_path_is_refused(tmp_path: Path) -> None:
    world = world_apart(tmp_path)
    with pytest.raises(ValueError, match="not an id"):
        world.host.boot("../../etc", address="127.0.0.1", user_data=b"", volumes={})
    world.close()


def test_the_device_has_the_name_that_udev_gives_it() -> None:
    assert DEVICE.endswith(VOLUME.replace("-", ""))

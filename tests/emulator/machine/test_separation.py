"""What keeps machines apart where the kernel helps: nothing typed in one reaches anything else."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.emulator.machine.machines import VOLUME, World, run_as_nobody


@pytest.mark.parametrize("command", ["/sbin/poweroff", "/usr/sbin/poweroff", "sudo /sbin/poweroff"])
def test_an_absolute_path_reaches_the_machines_own_power_command(
    apart: World, command: str
) -> None:
    if not Path("/usr/sbin/poweroff").exists():
        pytest.skip("this computer has no such command")
    alice, bob = apart.machine(), apart.machine("i-2")
    alice.boot()
    bob.boot(**{VOLUME: apart.volume("vol-other")})
    alice.wait_until_up()
    bob.wait_until_up()
    alice.type(command)
    apart.wait_for(("i-1", "poweroff"))
    assert apart.events == [("i-1", "poweroff")]
    assert bob.says("echo alive") == "alive"


def test_the_system_call_reboot_ends_this_machine_only(apart: World) -> None:
    alice = apart.machine()
    alice.boot()
    alice.wait_until_up()
    power_off = "import ctypes; ctypes.CDLL(None).reboot(0x4321fedc)"
    alice.type(f'sudo python3 -c "{power_off}"')
    apart.wait_for(("i-1", "poweroff"))


def test_a_machine_sees_nothing_of_this_computer_nor_of_another_machine(apart: World) -> None:
    secret = apart.folder / "secret-of-the-host"
    secret.write_text("secret")
    secret.chmod(0o644)
    alice, bob = apart.machine(), apart.machine("i-2")
    alice.boot()
    bob.boot(**{VOLUME: apart.volume("vol-b")})
    alice.wait_until_up()
    bob.controller.wait_for(lambda c: "boot" in c.stages)
    assert alice.type(f"sudo cat {secret}")["code"] != 0
    assert alice.type(f"sudo ls {apart.folder}")["code"] != 0
    assert alice.type(f"sudo kill -9 {os.getpid()}")["code"] != 0
    seen = alice.says("sudo cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert "pytest" not in seen
    assert alice.says("ls -d /proc/[0-9]* | wc -l") < "9"
    assert alice.says("cat /etc/hostname") == "i-1"


def test_root_of_a_machine_cannot_change_this_computers_system(apart: World) -> None:
    alice = apart.machine()
    alice.boot()
    alice.wait_until_up()
    prefix = sys.prefix
    for command in (
        "touch /usr/mine",
        f"touch {prefix}/mine",
        "mount -o remount,rw /usr",
        "umount /usr",
        "echo x > /proc/sys/kernel/core_pattern",
        "mknod /tmp/disk b 254 0",
    ):
        assert alice.type(f"sudo sh -c '{command}'").get("code") != 0, command


def test_links_left_on_a_machines_disk_are_not_followed_at_the_next_boot(apart: World) -> None:
    precious = apart.folder / "precious"
    precious.write_text("as it was")
    precious.chmod(0o666)
    alice = apart.machine()
    alice.boot()
    alice.wait_until_up()
    alice.says(f"sudo ln -sf {precious} /etc/hosts")
    alice.says(f"sudo ln -sf {precious} /var/lib/gpuspawner-emulator/boot_id")
    apart.host.reboot("i-1")
    alice.wait_until_up(times=2)
    assert precious.read_text() == "as it was"


def test_a_folder_of_the_disk_that_is_now_a_link_lets_nothing_be_written_outside(
    apart: World,
) -> None:
    outside = apart.folder / "outside"
    outside.mkdir()
    outside.chmod(0o777)
    alice = apart.machine()
    alice.boot()
    alice.wait_until_up()
    alice.says("sudo mv /var/lib/gpuspawner-emulator /var/lib/aside")
    alice.says(f"sudo ln -s {outside} /var/lib/gpuspawner-emulator")
    apart.host.reboot("i-1")
    apart.wait_for(("i-1", "crashed"))
    assert list(outside.iterdir()) == []


def test_the_student_is_not_root_and_sudo_is(apart: World) -> None:
    alice = apart.machine()
    alice.boot()
    alice.wait_until_up()
    assert alice.says("id -un; id -u; pwd") == "student\n1000\n/home/student"
    assert alice.says("sudo /usr/bin/id -u") == "0"
    assert alice.type("sudo sh -c 'exit 7'")["code"] == 7


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a machine users of its own")
def test_the_student_cannot_read_the_agents_key_where_the_sentence_does_not_say_so(
    apart: World,
) -> None:
    alice = apart.machine()
    alice.boot()
    alice.wait_until_up()
    assert "key" not in apart.host.separation
    assert alice.type("cat /var/lib/gpuspawner/machine-key")["code"] != 0
    assert alice.type("cat /var/lib/cloud/instance/user-data.txt")["code"] != 0
    assert alice.says("sudo cat /var/lib/gpuspawner/machine-key") == alice.controller.key


def test_a_terminal_works_and_python_finds_what_is_installed(apart: World) -> None:
    alice = apart.machine()
    alice.boot()
    alice.wait_until_up()
    script = "import pty, jupyterhub; pty.spawn(['tty'])"
    assert alice.says(f'python -c "{script}"').startswith("/dev/pts/")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_without_root_a_machine_has_namespaces_all_the_same(folder: Path) -> None:
    said = run_as_nobody(
        folder,
        """
        world = world_of_everybody(folder, namespaces=True)
        alice = world.machine()
        alice.boot()
        alice.wait_until_up()
        print(world.host._how.mode, alice.says("id -un; sudo /usr/bin/id -u; ls -d /proc/[0-9]* | wc -l"))
        alice.type("/sbin/poweroff")
        world.wait_for(("i-1", "poweroff"))
        world.close()
        print(world.events, alive(descendants(os.getpid())))
        """,
    )
    if said.startswith("plain"):
        pytest.skip("the kernel allows no namespaces to unprivileged users")
    first, second, count, rest = said.splitlines()
    assert (first, second, rest) == ("single student", "0", "[('i-1', 'poweroff')] set()")
    assert int(count) < 12

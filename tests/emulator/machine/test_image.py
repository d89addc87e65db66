"""What a machine is made of, and what is said about how well it is kept apart."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gpuspawner.emulator import machine_disk, machine_separation
from gpuspawner.emulator.machine_image import PACKAGE, Image, host_image
from gpuspawner.emulator.machine_init import Unit
from gpuspawner.emulator.machine_separation import NoSeparation

IMAGE = Image(python="/usr/bin/python3", path=())


def test_the_image_has_this_python_and_what_is_installed_in_it() -> None:
    image = host_image()
    assert image.python == sys.executable
    for prefix in (sys.prefix, sys.base_prefix):
        assert prefix in image.folders or prefix.startswith("/usr")
    assert Image.from_json(image.to_json()) == image


def test_the_image_does_not_have_the_source_tree_where_people_keep_secrets() -> None:
    source = PACKAGE.parent
    for folder in map(Path, host_image().folders):
        assert folder != source
        assert folder not in source.parents


def test_further_folders_are_shown_where_they_are_asked_for(tmp_path: Path) -> None:
    assert host_image({"/srv/course": tmp_path}).folders["/srv/course"] == str(tmp_path)


def test_the_tools_are_executable_although_an_installed_file_may_not_be(tmp_path: Path) -> None:
    blueprint = machine_disk.draw("i-1", IMAGE, root=str(tmp_path), mode="plain")
    machine_disk.make(tmp_path, blueprint)
    tools = tmp_path / "opt/gpuspawner-emulator/bin"
    expected = {"blkid", "mkfs.ext4", "mount", "poweroff", "reboot", "sudo", "shutdown", "useradd"}
    assert expected <= {tool.name for tool in tools.iterdir()}
    for tool in tools.iterdir():
        assert os.access(tool, os.X_OK), tool
        text = tool.read_text()
        assert text.startswith("#!")
        assert not {"@ROOT@", "@PYTHON@", "@MODE@"} & set(text.split('"')), tool


def test_every_command_the_agent_may_ask_for_exists_in_a_machine() -> None:
    # Read as text: the emulator knows nothing of the agent, and no more does this test.
    source = (PACKAGE / "agent" / "commands.py").read_text()
    listed = source.split("COMMANDS = (")[1].split(")")[0].replace('"', "").replace(",", "").split()
    blueprint = machine_disk.draw("i-1", IMAGE, root="", mode="full")
    assert listed
    assert set(listed) <= set(blueprint.tools)


def test_the_disk_is_kept_over_a_boot_and_only_the_boot_id_is_new(tmp_path: Path) -> None:
    blueprint = machine_disk.draw("i-1", IMAGE, root=str(tmp_path), mode="plain")
    machine_disk.make(tmp_path, blueprint)
    with (tmp_path / "etc/passwd").open("a") as file:
        file.write("student:x:1000:1000::/home/student:/bin/bash\n")
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    machine_disk.make(tmp_path, blueprint)
    after = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    changed = {path.name for path in before if before[path] != after[path]}
    assert set(before) == set(after)
    assert changed == {"boot_id"}


def test_the_shipped_unit_says_how_to_start_and_stop() -> None:
    unit = Unit(Path(host_image().unit).read_text())
    assert unit.argv == ["/opt/gpuspawner/bin/gpuspawner-agent", "run"]
    assert unit.environment["PYTHONUNBUFFERED"] == "1"
    assert (unit.restart_seconds, unit.stop_seconds) == (1.0, 60.0)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """What the kernel would allow, by hand."""
    allowed = {"full": False, "single": False, "other user": False}
    monkeypatch.setattr(machine_separation, "_works", lambda mode, *_: allowed[mode])
    monkeypatch.setattr(machine_separation, "_can_run", lambda *_: allowed["other user"])
    return allowed


@pytest.mark.parametrize(
    ("euid", "allowed", "mode", "says"),
    [
        (0, "full", "full", "cannot see or end anything of this computer"),
        (0, "other user", "plain", "the student can read the agent's key"),
        (1000, "single", "single", "student can read the agent's key"),
        (1000, "nothing", "plain", "machines are NOT separated"),
    ],
)
def test_the_sentence_says_what_is_enforced_and_what_is_not(
    kernel: dict[str, bool],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    euid: int,
    allowed: str,
    mode: str,
    says: str,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: euid)
    kernel[allowed] = True
    found = machine_separation.find(sys.executable, tmp_path)
    assert found.mode == mode
    assert says in found.sentence


def test_root_without_namespaces_never_runs_machines_as_root(
    kernel: dict[str, bool], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(NoSeparation, match="Start the emulator as an ordinary user"):
        machine_separation.find(sys.executable, tmp_path)

"""What is in the home, what is not, and what a student is told of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from labs_extension.kernels.launch import PATH_FILE
from labs_extension.storage.places import Found, LeftBehind, left_behind, temporary

MIB = 1 << 20


@pytest.fixture
def disk(tmp_path) -> Path:
    """A temporary disk."""
    made = tmp_path / "mnt"
    made.mkdir()
    return made


def write(path: Path, mebibytes: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * (mebibytes * MIB))


def test_large_files_of_the_students_are_found_with_all_that_is_below_them(disk):
    write(disk / "model.h5", 3)
    write(disk / "run/a/weights", 2)
    write(disk / "run/b/weights", 2)
    found = temporary([str(disk), "/nowhere"], os.getuid(), 2 * MIB)
    assert found == [Found(f"{disk}/run", 4 * MIB), Found(f"{disk}/model.h5", 3 * MIB)]


def test_small_files_those_of_programs_and_those_of_others_are_not(disk, tmp_path):
    write(disk / "notes", 1)
    write(disk / "tmpab12/pip", 3)
    write(disk / "pip-install-x/wheel", 3)
    write(disk / ".cache", 3)
    write(tmp_path / "elsewhere/large", 3)
    (disk / "link").symlink_to(tmp_path / "elsewhere")
    assert temporary([str(disk)], os.getuid(), 2 * MIB) == []
    assert temporary([str(disk)], os.getuid() + 1, 0) == []


def test_packages_are_named_when_the_image_has_their_python_no_more(tmp_path):
    for name, image in (("opt-lab-3.12", "/opt/lab/lib/python3.12"), ("opt-x-3.13", tmp_path)):
        packages = tmp_path / name / f"lib/python{name[-4:]}/site-packages"
        (packages / "einops-0.8.1.dist-info").mkdir(parents=True)
        (packages / PATH_FILE).write_text(f"import site; list(map(site.addsitedir, ['{image}']))\n")
    assert left_behind(tmp_path) == [LeftBehind("opt-lab-3.12", ("einops",))]
    assert left_behind(tmp_path / "none") == []


async def test_a_student_is_told_of_what_will_be_gone(make_server, disk):
    write(disk / "model.h5", 3)
    server = make_server(temporary_folders=[str(disk)], temporary_mib=2)
    status, said = await server.ask("gpuspawner/api/storage")
    assert status == 200
    assert said["temporary"] == [{"path": f"{disk}/model.h5", "bytes": 3 * MIB}]
    assert said["temporary_sentence"] == {
        "en": f"This is not in your home and is gone when the machine stops: {disk}/model.h5 (3 MiB). Move what you need into your home.",
        "ko": f"홈 폴더 밖에 있어서 머신이 멈추면 사라집니다: {disk}/model.h5 (3 MiB). 필요한 파일은 홈 폴더로 옮기세요.",
    }
    assert (await server.ask("gpuspawner/api/storage", token=""))[0] == 403


async def test_a_student_is_told_of_a_start_without_settings_and_of_a_full_home(
    make_server, monkeypatch
):
    monkeypatch.setattr(
        "labs_extension.storage.places.room",
        lambda home: {"total_bytes": 10 << 30, "free_bytes": 3 * MIB},
    )
    monkeypatch.setenv("GPUSPAWNER_WITHOUT_SETTINGS", "1")
    monkeypatch.delenv("GPUSPAWNER_CLAIM", raising=False)
    _, said = await make_server().ask("gpuspawner/api/storage")
    assert said["home"] == {"total_bytes": 10 << 30, "free_bytes": 3 * MIB}
    assert (said["temporary"], said["temporary_sentence"]) == ([], None)
    first, second = (one["en"] for one in said["notes"])
    assert first.startswith("Your server did not start with your own settings")
    assert second.startswith("Your home is nearly full: 3 MiB are left.")

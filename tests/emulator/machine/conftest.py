"""Worlds in which machines are booted, and how they are taken down again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulator.machine.machines import World, world_apart, world_of_everybody


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not pytest's own, which no other user may enter; the fallback runs as another user."""
    path = Path(tempfile.mkdtemp(prefix="machines-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def apart(folder: Path) -> Iterator[World]:
    """Machines in namespaces, as whoever runs the tests."""
    world = world_apart(folder)
    if world.host._how.mode == "plain":
        pytest.skip("the kernel allows no namespaces here")
    yield world
    world.close()


@pytest.fixture
def plain(folder: Path) -> Iterator[World]:
    """Machines that are mere processes; as root, those of an unprivileged user."""
    world = world_of_everybody(folder, namespaces=False)
    yield world
    world.close()


@pytest.fixture(params=["apart", "plain"])
def world(request: pytest.FixtureRequest) -> World:
    """Both, one after the other."""
    return request.getfixturevalue(request.param)

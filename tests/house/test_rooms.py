"""Rooms are small, and a library that matters is used in its own room only."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from tests.house import sources

MODULE_LINES = 300
FUNCTION_LINES = 60

ROOMS = {
    "alembic": r"gpuspawner/store/",
    "azure": r"gpuspawner/providers/azure",
    "boto3": r"gpuspawner/providers/aws",
    "botocore": r"gpuspawner/providers/aws",
    "moto": r"gpuspawner/emulator/",
    "prometheus_client": r"gpuspawner/web/|gpuspawner/spawner|labs_extension/(extension|gpu/metrics)",
    "pynvml": r"labs_extension/gpu/nvml",
    "pydantic": r"gpuspawner/web/",
    # The controllers and the web hand the store's transactions on, and name their type.
    "sqlalchemy": r"gpuspawner/(store|controllers|web)/",
}
"""The files that may import a library, by the beginning of their path."""

STANDARD_LIBRARY_ONLY = {
    "gpuspawner/agent/",
    *(
        f"gpuspawner/{room}"
        for room in ("policy/", "amounts.", "clock.", "errors.", "identity.", "language.", "model/", "names.", "views.", "wallets.")
    ),
}  # fmt: skip


def imports(path: Path) -> set[str]:
    """The top-level names of everything that the file imports, wherever in the file."""
    found = set()
    for node in ast.walk(sources.tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_no_module_is_longer_than_a_room_may_be():
    long = {
        sources.name(path): lines
        for path in sources.product()
        if (lines := len(path.read_text().splitlines())) > MODULE_LINES
    }
    assert long == {}


def test_every_function_fits_a_screen():
    long = {
        f"{sources.name(path)}:{node.lineno} {node.name}": lines
        for path in sources.product()
        for node in ast.walk(sources.tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and "/migrations/" not in sources.name(path)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    }
    assert long == {}


@pytest.mark.parametrize("library", sorted(ROOMS))
def test_a_library_is_imported_in_its_own_room_only(library):
    strangers = [
        sources.name(path)
        for path in sources.product()
        if library in imports(path) and not re.match(ROOMS[library], sources.name(path))
    ]
    assert strangers == []


@pytest.mark.parametrize("room", sorted(STANDARD_LIBRARY_ONLY))
def test_the_language_the_policy_and_the_agent_need_nothing_but_python(room):
    allowed = {*sys.stdlib_module_names, "gpuspawner"}
    needs = {
        sources.name(path): imports(path) - allowed
        for path in sources.product()
        if sources.name(path).startswith(room)
    }
    assert needs
    assert {name: more for name, more in needs.items() if more} == {}


@pytest.mark.parametrize(
    ("room", "one", "other"),
    [
        ("providers", "aws", "azure"),
        ("providers", "azure", "aws"),
        ("emulator", "ec2", "arm"),
        ("emulator", "arm", "ec2"),
    ],
)
def test_two_clouds_are_strangers_to_each_other(room, one, other):
    """What they have in common is in a room of its own."""
    stranger = re.compile(rf"(from|import) .*\b{other}(_\w+)?\b")
    rooms = list((sources.PACKAGE / room).glob(f"{one}*.py"))
    found = [
        f"{sources.name(path)}: {line.strip()}"
        for path in rooms
        for line in path.read_text().splitlines()
        if stranger.match(line.strip())
    ]
    assert rooms
    assert found == []

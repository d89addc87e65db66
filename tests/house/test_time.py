"""Time is a parameter: nothing asks a clock or waits, but the clocks."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.house import sources

CLOCKS = {
    "gpuspawner/clock.py",
    "gpuspawner/agent/clock.py",
    "gpuspawner/emulator/clock_.py",
    "gpuspawner/testing/clock.py",
    "labs_extension/clock.py",
}
"""Agent, emulator and lab know nothing of the rest, so they have clocks of their own."""

ASKS = {
    ("time", "time"), ("time", "time_ns"), ("time", "monotonic"), ("time", "monotonic_ns"),
    ("time", "perf_counter"), ("time", "sleep"), ("asyncio", "sleep"), ("gen", "sleep"),
    ("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"),
}  # fmt: skip


def asks(path: Path) -> list[str]:
    """The places in the file that ask a clock, or wait."""
    found = []
    # `sleep(0)` waits for nothing: it lets the others have a turn.
    turns = {
        node.func
        for node in ast.walk(sources.tree(path))
        if isinstance(node, ast.Call) and [ast.unparse(one) for one in node.args] == ["0"]
    }
    for node in ast.walk(sources.tree(path)):
        if isinstance(node, ast.Attribute) and node not in turns:
            base = node.value
            owner = base.id if isinstance(base, ast.Name) else getattr(base, "attr", "")
            if (owner, node.attr) in ASKS:
                found.append(f"{sources.name(path)}:{node.lineno} {owner}.{node.attr}")
        elif isinstance(node, ast.ImportFrom):
            module = (node.module or "").rpartition(".")[2]
            found += [
                f"{sources.name(path)}:{node.lineno} {module}.{alias.name}"
                for alias in node.names
                if (module, alias.name) in ASKS
            ]
    return found


def test_only_the_clocks_ask_what_time_it_is():
    places = [place for path in sources.product() for place in asks(path)]
    assert [place for place in places if place.partition(":")[0] not in CLOCKS] == []


def test_no_test_sleeps():
    tests = [path for path in sources.files() if path.suffix == ".py" and "tests" in path.parts]
    waits = [place for path in tests for place in asks(path) if place.endswith(".sleep")]
    # A test of real processes has to wait for them; it does so in one helper, with a deadline.
    allowed = tuple(
        f"tests/{kind}/" for kind in ("end_to_end", "emulator", "hub", "agent", "faults")
    )
    assert [place for place in waits if not place.startswith(allowed)] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import time\ntime.time()", 1),
        ("from time import sleep", 1),
        ("import datetime\ndatetime.datetime.now()", 1),
        ("import asyncio\nawait asyncio.sleep(1)", 1),
        ("import asyncio\nawait asyncio.sleep(0)", 0),
        ("clock.now()\nawait clock.sleep(1)\nclock.monotonic()", 0),
    ],
)
def test_it_sees_what_asks_a_clock_and_nothing_else(tmp_path, monkeypatch, text, expected):
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    path = tmp_path / "file.py"
    path.write_text(text)
    assert len(asks(path)) == expected

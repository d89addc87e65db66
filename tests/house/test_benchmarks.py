"""The benchmarks keep up with what they measure: the quick ones run, small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(FOLDER / arguments[0]), *arguments[1:]],
        capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_pass_is_measured():
    measured = json.loads(run("reconcile.py", "--students", "20"))
    assert measured["parts"]["whole pass"]["cpu_ms"] > 0


@pytest.mark.parametrize(
    ("script", "arguments", "what"),
    [
        ("settle_tick.py", ("--machines", "3"), "settle_tick"),
        ("heartbeats.py", ("--machines", "30", "--seconds", "2"), "heartbeats"),
    ],
)
def test_a_small_class_is_measured_and_written_down(tmp_path, script, arguments, what):
    file = tmp_path / "figures.json"
    run(script, *arguments, str(file))
    assert json.loads(file.read_text())["benchmark"] == what


def test_no_controller_loads_an_sdk_that_it_does_not_use(tmp_path):
    file = tmp_path / "figures.json"
    said = run("import_cost.py", "--times", "1", str(file))
    assert "has loaded" not in said
    rows = {row["run"]: row for row in json.loads(file.read_text())["rows"]}
    assert rows["no provider"]["sdks"] == []
    assert rows["azure"]["packages"] > 0 < rows["aws"]["packages"]

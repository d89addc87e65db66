"""The table of the page of faults, from the tests: what goes wrong, what comes of it, and the proof.

The tests are read and not run, so that building the documentation needs nothing of what they need.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MARKED = ROOT / "tests" / "faults"
_LIST = ROOT / "tests" / "faults" / "scenarios.py"


def faults() -> str:
    """Each fault with its outcome and the tests that prove it."""
    found = proofs()
    rows = [
        f"| {fault} | {outcome} | {'<br>'.join(map(_shown, found[number]))} |"
        for number, (fault, outcome) in _literal("SCENARIOS").items()
    ]
    return "\n".join(["| what goes wrong | what comes of it | the proof |", "|---|---|---|", *rows])


def proofs() -> dict[int, list[str]]:
    """The tests of each fault, as `file::name`, those that are marked first."""
    found: defaultdict[int, list[str]] = defaultdict(list)
    for path in sorted(MARKED.glob("test_*.py")):
        where = path.relative_to(ROOT).as_posix()
        for name, number in _marks(path):
            found[number].append(f"{where}::{name}")
    for number, tests in _literal("PROVEN_ELSEWHERE").items():
        found[number].extend(tests)
    return dict(found)


def _shown(test: str) -> str:
    path, _, name = test.partition("::")
    return f"`{path.removeprefix('tests/')}`: `{name}`"


def _marks(path: Path) -> Iterator[tuple[str, int]]:
    """Each test of a file with each number that stands at it."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for mark in node.decorator_list:
            if isinstance(mark, ast.Call) and ast.unparse(mark.func).endswith("scenario"):
                for number in mark.args:
                    yield node.name, ast.literal_eval(number)


def _literal(name: str) -> Mapping[int, Any]:
    """A dictionary of the list, which holds nothing but plain values."""
    for node in ast.parse(_LIST.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            value: dict[int, Any] = ast.literal_eval(node.value)
            return value
    raise KeyError(name)

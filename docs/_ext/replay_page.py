"""The table of the page on the replay: where our emulated Azure differs from what Azure answered.

The list is read and not run, so that building the documentation needs nothing of the tests.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
_LIST = ROOT / "tests" / "emulator" / "arm_differences.py"


def replay() -> str:
    """Each difference with its reason."""
    rows = [
        f"| {kind} | `{place}` | {how} | {why} |"
        for (kind, how, place), why in _differences().items()
    ]
    return "\n".join(["| of | place | differs | why |", "|---|---|---|---|", *rows])


def _differences() -> dict[tuple[str, str, str], str]:
    for node in ast.parse(_LIST.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DIFFERENCES":
            found: dict[tuple[str, str, str], str] = ast.literal_eval(node.value)
            return found
    raise KeyError("DIFFERENCES")

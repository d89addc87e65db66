"""The tables of the page "What happens to your bill when…", from the rows beside the tests.

The tests are read and not run, so that building the documentation needs nothing of what they need.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests" / "faults"
COLUMNS = ("when", "happens", "billed", "student")

GROUPS = (
    "Starting",
    "While it runs",
    "Stopping",
    "A whole class",
    "The hub is killed, and started again",
    "The hub is killed, and its controller ends with it",
    "The hub's database is lost, or comes from a backup",
)
"""The headings, in the order of the page."""


@dataclass(frozen=True)
class Row:
    """One row, and the test that proves it."""

    group: str
    when: str
    happens: str
    billed: str
    student: str
    file: str
    test: str


def bill() -> str:
    """A table for each group."""
    found = list(rows())
    unknown = {row.group for row in found} - {*GROUPS}
    if unknown:
        raise ValueError(f"groups without a place on the page: {sorted(unknown)}")
    return "\n\n".join(
        f"## {group}\n\n{_table([row for row in found if row.group == group])}" for group in GROUPS
    )


def rows() -> Iterator[Row]:
    """Every row, in the order of the files and of the tests in them."""
    for path in sorted(TESTS.glob("test_bill_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {
            ast.unparse(node.targets[0]): node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        }
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                for mark in node.decorator_list:
                    if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "bill":
                        group = names[ast.unparse(mark.args[0])]
                        texts = {
                            each.arg: str(ast.literal_eval(each.value))
                            for each in mark.keywords
                            if each.arg
                        }
                        yield Row(group, **texts, file=path.name, test=node.name)


def _table(found: list[Row]) -> str:
    head = "| … when | what happens | what is billed | what the student sees | the proof |"
    lines = [
        f"| **{row.when}** | {row.happens} | {row.billed} | {row.student} | "
        f"`{row.file}`: `{row.test}` |"
        for row in found
    ]
    return "\n".join([head, "|---|---|---|---|---|", *lines])

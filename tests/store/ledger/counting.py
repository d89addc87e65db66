"""How many examples each invariant of the ledger ran on each database; a line each at the end.

A test names its invariants with `@pytest.mark.ledger("I5")`. An example is one run of its body with
values of Hypothesis' (a whole term, where it plays terms); a test without values is one example.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis.statistics import collector

_RAN: Counter[tuple[str, str]] = Counter()


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Count what passes."""
    named = [name for mark in item.iter_markers("ledger") for name in mark.args]
    if not named:
        return (yield)
    found: list[dict[str, Any]] = []
    shown = collector.value  # what `--hypothesis-show-statistics` shows; this is inside of it

    def note(statistics: dict[str, Any]) -> None:
        found.append(statistics)
        if shown:
            shown(statistics)

    with collector.with_value(note):
        result = yield
    cases = [case for one in found for phase in one.values() if isinstance(phase, dict)
             for case in phase.get("test-cases", ())]  # fmt: skip
    valid = sum(case["status"] == "valid" for case in cases)
    parameters = getattr(item, "callspec", None)
    database = str(parameters.params.get("money_url", "sqlite")) if parameters else "sqlite"
    item.user_properties += [("invariant", (name, database, valid or 1)) for name in named]
    return result


def add(report: pytest.TestReport) -> None:
    """What a test reports, of this process or of another (`-n`)."""
    if report.when == "call" and report.passed:
        for key, value in report.user_properties:
            if key == "invariant":
                name, database, examples = value
                _RAN[name, database] += examples


def tell(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for each database."""
    for database in sorted({database for _, database in _RAN}):
        names = sorted((name for name, of in _RAN if of == database), key=lambda one: int(one[1:]))
        counts = ", ".join(f"{name} {_RAN[name, database]}" for name in names)
        terminalreporter.write_line(f"examples of the ledger's invariants on {database}: {counts}")

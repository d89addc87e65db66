"""What schemathesis has tried: a line at the end of the run, and `build/schemathesis.json`."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).parents[3] / "build" / "schemathesis.json"
KEY = "schemathesis"

_TOLD: list[dict[str, Any]] = []


@dataclass
class Summary:
    """Counts of one run. A case is sent once by each caller; each answer is checked in every way."""

    operations: int = 0
    cases: int = 0
    requests: int = 0
    checks: int = 0
    failures: list[str] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)

    @property
    def server_errors(self) -> int:
        """How many answers were 500 or above."""
        return sum(number for status, number in self.statuses.items() if status >= "5")

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "schemathesis": version(KEY),
            **asdict(self),
            "statuses": dict(sorted(self.statuses.items())),
            "server_errors": self.server_errors,
        }


def add(report: pytest.TestReport) -> None:
    """What a test reports, passed or not, of this process or of another (`-n`)."""
    if report.when == "call":
        _TOLD.extend(value for key, value in report.user_properties if key == KEY)


def tell(terminalreporter: pytest.TerminalReporter) -> None:
    """One line, and the file."""
    for told in _TOLD:
        terminalreporter.write_line(
            f"schemathesis: {told['operations']} operations, {told['cases']} cases, "
            f"{told['requests']} requests, {told['checks']} checks, {len(told['failures'])} failures, "
            f"{told['server_errors']} answers of 500 or above; by status {json.dumps(told['statuses'])}"
        )
        FILE.parent.mkdir(exist_ok=True)
        FILE.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")

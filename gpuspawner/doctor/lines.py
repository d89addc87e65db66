"""What the doctor says: one line for each thing that was looked at."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from gpuspawner._version import __version__
from gpuspawner.doctor.hiding import hide
from gpuspawner.language import Sentence

SCHEMA = 1
"""The version of the JSON. It grows by one when a key goes or changes its meaning, not for a new one."""


class Mark(str, enum.Enum):
    """How a thing stands. Only a failure makes the doctor's exit code 1."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"
    NOT_CHECKED = "not_checked"


@dataclass(frozen=True, slots=True)
class Line:
    """`check` is a name of `CHECKS`, `subject` what was looked at: a setting, a size, a file."""

    check: str
    mark: Mark
    subject: str
    finding: Sentence
    remedy: Sentence | None = None

    def to_json(self, language: str) -> dict[str, Any]:
        """The line as it is printed with `--json`; `values` are those in the two sentences."""
        sentences = [self.finding, *([self.remedy] if self.remedy else [])]
        values = {name: value for one in sentences for name, value in one.values}
        return {
            "check": self.check,
            "mark": self.mark.value,
            "subject": hide(self.subject),
            "finding": hide(self.finding.text(language)),
            "remedy": hide(self.remedy.text(language)) if self.remedy else None,
            "values": {
                name: hide(value) if isinstance(value, str) else value
                for name, value in values.items()
            },
        }


@dataclass(frozen=True, slots=True)
class Report:
    """All lines, in the order of the checks. `readable` is False when there was no configuration."""

    config: Path
    checked_at: datetime
    students: int | None
    hub_id: str | None
    lines: Sequence[Line]
    readable: bool = True

    @property
    def exit_code(self) -> int:
        """0 good, 1 something would fail, 2 the configuration cannot even be read."""
        if not self.readable:
            return 2
        return int(any(line.mark is Mark.FAILURE for line in self.lines))

    def count(self) -> dict[str, int]:
        """How many lines there are of each mark."""
        counted = Counter(line.mark for line in self.lines)
        return {mark.value: counted[mark] for mark in Mark}

    def to_json(self, language: str) -> dict[str, Any]:
        """What `--json` prints; `docs/doctor.md` describes it."""
        return {
            "schema": SCHEMA,
            "version": __version__,
            "language": language,
            "config": str(self.config),
            "checked_at": self.checked_at.isoformat(),
            "hub_id": self.hub_id,
            "students": self.students,
            "exit_code": self.exit_code,
            "summary": self.count(),
            "lines": [line.to_json(language) for line in self.lines],
        }

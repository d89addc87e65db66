"""What was found when something was looked at."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from gpuspawner.language import Sentence


class Severity(str, enum.Enum):
    """How bad a finding is. `SKIPPED`: it could not be looked at."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, in `check`: how it stands, and the remedy. A text is shown as it is."""

    subject: str
    severity: Severity
    message: Sentence | str
    remedy: Sentence | str = ""
    check: str = ""

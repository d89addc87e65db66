"""What becomes of one file of the course. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass

MINE = "mine"
"""Stands for the fingerprint of what is no plain file: whatever it is, the student has put it there."""


class Act(enum.Enum):
    """What is done; the value is the state that the student is shown."""

    def __init__(self, state: str) -> None:
        self.state = state.partition(":")[0]

    NEW = "new"
    UPDATE = "updated"
    CURRENT = "current"
    KEEP = "kept"
    OFFER = "kept:with the new one beside"
    DELETED = "deleted"


@dataclass(frozen=True)
class Known:
    """What was delivered of one file, by fingerprint.

    Attributes:
        delivered: what was last put at its place.
        offered: what was last put beside it, since the student had changed the file.
        beside: where.
    """

    delivered: str
    offered: str | None = None
    beside: str | None = None


def decide(known: Known | None, there: str | None, wanted: str) -> Act:
    """What to do with a file.

    Args:
        known: what was delivered before; None when nothing was.
        there: the fingerprint of what is in the home now; None when nothing is.
        wanted: the fingerprint of the course's version.
    """
    if there is None:
        return Act.NEW if known is None else Act.DELETED
    if there == wanted:
        return Act.CURRENT
    if known is None:
        return Act.OFFER
    if there == known.delivered:
        return Act.UPDATE
    return Act.KEEP if wanted in {known.delivered, known.offered} else Act.OFFER

"""What is asked for again and again, is long, and grows by little: only the new part is read.

Each object belongs to one reader, which calls it in one transaction after another. What is
remembered can be thrown away at any time; it is then read again.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

from sqlalchemy import Connection, and_, func, select

from gpuspawner.store import schema
from gpuspawner.store.events import histories, histories_of
from gpuspawner.views import Progress

_Stamp: TypeAlias = "tuple[int, int, int, datetime]"
_Start: TypeAlias = "tuple[datetime, float]"

_MANY = 500
"""From so many claims on it is quicker to read all histories than to name those that are wanted."""

_STARTS_KEPT = 100
"""The newest starts of each size: enough for a median, however busy the school."""


class Histories:
    """`events.histories`, of which only those that have changed since the last time are read."""

    def __init__(self) -> None:
        # Both in one: a reader that nobody waits for any more may end after the next has begun.
        self._known: tuple[dict[str, _Stamp], dict[str, tuple[Progress, ...]]] = ({}, {})

    def read(self, c: Connection) -> dict[str, tuple[Progress, ...]]:
        """What was noted of the present generation of every claim that has any, oldest first."""
        before, known = self._known
        stamps = _stamps(c)
        kept = {
            claim: known[claim]
            for claim, stamp in stamps.items()
            if before.get(claim) == stamp and claim in known
        }
        changed = stamps.keys() - kept.keys()
        found = histories(c) if len(changed) >= _MANY else kept | histories_of(c, changed)
        self._known = stamps, found
        return found


class Durations:
    """How long the newest starts of each size took; only those that came since are read."""

    def __init__(self) -> None:
        self._known: tuple[int, dict[str, list[_Start]]] = (0, {})

    def read(self, c: Connection, since: datetime) -> dict[str, list[float]]:
        """The seconds until up of the newest starts since `since`, oldest first, by size."""
        starts = schema.starts
        after, known = self._known
        last = c.execute(select(func.max(starts.c.id))).scalar_one() or 0
        if last < after:
            # SQLite numbers from the beginning again when a table has been emptied.
            after, known = 0, {}
        newest = {size: [one for one in some if one[0] >= since] for size, some in known.items()}
        rows = c.execute(
            select(starts).where(starts.c.id > after, starts.c.at >= since).order_by(starts.c.id)
        )
        for row in rows:
            newest.setdefault(row.size, []).append((row.at, row.seconds))
            after = row.id
        newest = {size: some[-_STARTS_KEPT:] for size, some in newest.items() if some}
        self._known = max(last, after), newest
        return {size: [seconds for _at, seconds in some] for size, some in newest.items()}


def _stamps(c: Connection) -> dict[str, _Stamp]:
    """What differs when a claim's history does: its generation, how many lines, the last one and when.

    SQLite gives the number of a line that was deleted to the next one, so the number alone may be old.
    """
    events, claims = schema.events, schema.claims
    present = and_(events.c.claim == claims.c.name, events.c.generation == claims.c.generation)
    of = events.c.claim, events.c.generation
    newest = func.max(events.c.id), func.max(events.c.at)
    lines = select(*of, func.count(), *newest).join(claims, present).group_by(*of)
    return {claim: (*stamp,) for claim, *stamp in c.execute(lines)}

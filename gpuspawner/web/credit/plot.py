"""What was spent each day, as an SVG made here: no script, no library; the numbers stand in a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from gpuspawner.web.credit import replies

WIDTH, HEIGHT = 720, 160
_TOP, _BOTTOM, _LEFT = 12, 22, 4


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the course's clock, and what the student paid in it, in micros."""

    day: date
    spent: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One day's bar, in the units of the drawing. `label` is the day, where there is room for it."""

    x: float
    y: float
    width: float
    height: float
    day: date
    spent: int
    label: str


def days(found: replies.Statement, zone: str) -> list[Day]:
    """What was paid each day of the statement, days without any included. What came back counts less."""
    where = ZoneInfo(zone)
    first = datetime.fromisoformat(found.since).astimezone(where).date()
    after = datetime.fromisoformat(found.until).astimezone(where).date()
    spent: dict[date, int] = {}
    for line in found.lines:
        if line.component is not None and line.own:
            day = datetime.fromisoformat(line.at).astimezone(where).date()
            spent[day] = spent.get(day, 0) - line.amount
    return [
        Day(day, max(0, spent.get(day, 0)))
        for day in (first + timedelta(days=n) for n in range((after - first).days))
    ]


def bars(found: Sequence[Day]) -> list[Bar]:
    """The bars of a drawing of `WIDTH` by `HEIGHT`; nothing spent at all has no height."""
    if not found:
        return []
    most = max(day.spent for day in found) or 1
    step = (WIDTH - 2 * _LEFT) / len(found)
    room = HEIGHT - _TOP - _BOTTOM
    every = max(1, -(-len(found) // 8))
    return [
        Bar(
            x=round(_LEFT + n * step + step * 0.15, 2),
            y=round(_TOP + room * (1 - day.spent / most), 2),
            width=round(step * 0.7, 2),
            height=round(room * day.spent / most, 2),
            day=day.day,
            spent=day.spent,
            label=f"{day.day:%m-%d}" if n % every == 0 else "",
        )
        for n, day in enumerate(found)
    ]

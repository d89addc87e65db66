"""When there is class. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timezone, tzinfo

_HOUR = r"((?:[01]?[0-9]|2[0-3]):[0-5][0-9])"
_FORM = re.compile(rf"([a-z]{{3,}})\s+{_HOUR}\s*-\s*{_HOUR}")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class ClassHours:
    """One class a week: on `weekday` (0 is Monday) from `begin` to `end`, by the clock of the class."""

    weekday: int
    begin: time
    end: time


def parse(text: str) -> ClassHours:
    """`Tuesday 14:00-15:50` as class hours; three letters of the day are enough.

    Raises:
        ValueError: it is not of that form, or ends before it begins.
    """
    parts = _FORM.fullmatch(text.strip().lower())
    days = [number for number, name in enumerate(WEEKDAYS) if parts and name.startswith(parts[1])]
    if parts is None or not days or (begin := _time(parts[2])) >= (end := _time(parts[3])):
        raise ValueError(f"not class hours: {text!r}")
    return ClassHours(days[0], begin, end)


def class_until(classes: Iterable[ClassHours], zone: tzinfo, now: datetime) -> datetime | None:
    """When the class ends that there is at `now`, in UTC; the later of two. None when there is none."""
    here = now.astimezone(zone)
    ends = [
        datetime.combine(here.date(), one.end, zone).astimezone(timezone.utc)
        for one in classes
        if one.weekday == here.weekday() and one.begin <= here.time() < one.end
    ]
    return max(ends, default=None)


def _time(text: str) -> time:
    hour, minute = map(int, text.split(":"))
    return time(hour, minute)

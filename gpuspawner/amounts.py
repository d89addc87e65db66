"""Amounts, lengths of time and moments as people read them. Standard library only.

An amount is whole micros (millionths) of a unit: an ISO currency, `credit` or `gpu_hour`.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from gpuspawner.language import Sentence, _, say

_MICROS = 1_000_000
_SIGNS = {"USD": "$", "KRW": "₩", "EUR": "€", "GBP": "£", "JPY": "¥"}
_WHOLE = frozenset({"KRW", "JPY"})
NAMED = {"credit": say(_("credits")), "gpu_hour": say(_("GPU hours"))}
"""The units that have a name of their own in each language, and no sign."""

_STEP = 300
"""Above an hour, a length of time is told in steps of five minutes: more would be a pretence."""


def number_text(micros: int, places: int = 2) -> str:
    """The number, rounded down to `places`, such as `1,204.50`."""
    step = 10 ** (6 - places)
    whole = micros // step
    sign = "-" if whole < 0 else ""
    units, rest = divmod(abs(whole), 10**places)
    return f"{sign}{units:,}" + (f".{rest:0{places}d}" if places else "")


def amount_text(micros: int, unit: str, language: str = "en", *, fine: bool = False) -> str:
    """An amount with its unit, rounded down: `$12.50`, `₩1,200`, `3.50 credits`.

    A `fine` one has up to four decimals where there is something to show, for single lines.
    """
    places = 0 if unit in _WHOLE else 2
    if fine:
        places += 2
    number = number_text(micros, places)
    if fine:
        number = _trimmed(number, places - 2)
    if unit in _SIGNS:
        sign, plain = ("-", number[1:]) if number.startswith("-") else ("", number)
        return f"{sign}{_SIGNS[unit]}{plain}"
    name = NAMED[unit].text(language) if unit in NAMED else unit
    return f"{number} {name}"


def needed_text(micros: int, unit: str) -> str:
    """An amount that somebody must have, rounded up: nobody who has what it says has too little."""
    step = 10 ** (6 - (0 if unit in _WHOLE else 2))
    return amount_text(-(-micros // step) * step, unit)


def about(seconds: int) -> Sentence:
    """A length of time that is promised: rounded down, in steps that promise no more than is known."""
    if seconds >= 3600:
        seconds -= seconds % _STEP
    return span(seconds)


def span(seconds: int) -> Sentence:
    """A length of time, rounded down: hours and minutes, minutes, or seconds."""
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    if seconds >= 3600:
        return say(_("{hours} h {minutes} min"), hours=hours, minutes=minutes)
    if seconds >= 60:
        return say(_("{minutes} min"), minutes=minutes)
    return say(_("{seconds} s"), seconds=seconds)


def clock_text(seconds: int, zone: str) -> str:
    """A moment in UTC seconds, as the clock of that time zone shows it: `2026-11-23 18:05`."""
    return datetime.fromtimestamp(seconds, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")


def _trimmed(number: str, least: int) -> str:
    """Without zeros at the end, but at least so many decimals."""
    head, point, decimals = number.partition(".")
    if not point:
        return number
    kept = decimals.rstrip("0").ljust(least, "0")
    return f"{head}.{kept}" if kept else head

"""Amounts of credit in words for people. Rounded so that nobody is promised what is not there."""

from __future__ import annotations

from gpuspawner.policy.money import MICROS

_WHOLE = frozenset({"JPY", "KRW", "VND", "CLP", "ISK", "UGX"})
"""Currencies without a smaller unit (ISO 4217, exponent 0), among those that clouds bill in."""


def at_most(micros: int, unit: str) -> str:
    """An amount that somebody has, rounded down: `$1.23`, `1,230 KRW`, `1.23 credit`."""
    return _text(micros // _step(micros, unit), micros, unit)


def at_least(micros: int, unit: str) -> str:
    """An amount that somebody needs, rounded up."""
    return _text(-(-micros // _step(micros, unit)), micros, unit)


def _digits(micros: int, unit: str) -> int:
    if unit in _WHOLE:
        return 0
    return 2 if abs(micros) >= MICROS else 3


def _step(micros: int, unit: str) -> int:
    return int(MICROS // 10 ** _digits(micros, unit))


def _text(steps: int, micros: int, unit: str) -> str:
    digits = _digits(micros, unit)
    sign, steps = ("-", -steps) if steps < 0 else ("", steps)
    whole, rest = divmod(steps, 10**digits)
    number = f"{whole:,}.{rest:0{digits}d}" if digits else f"{whole:,}"
    if digits == 3:
        number = number.removesuffix("0")
    return f"{sign}${number}" if unit == "USD" else f"{sign}{number} {unit}"

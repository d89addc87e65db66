"""What a body posted to `/_emulator/faults` may hold, and what is said about one that may not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gpuspawner.emulator.behaviours import BEHAVIOURS


class BadRule(ValueError):
    """A rule that cannot be understood; its text is one sentence."""


@dataclass(frozen=True)
class Terms:
    """What the rules of one cloud may name.

    Args:
        quotas: code to the limit at start.
        statuses: error code to the HTTP status with which the cloud sends it; else 400.
        late: whether capacity can be refused after a request was accepted.
    """

    quotas: Mapping[str, float]
    statuses: Mapping[str, int] = field(default_factory=dict)
    late: bool = False


Check = Callable[[Any], bool]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _words(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


_NUMBER: tuple[Check, str] = (_number, "a number of 0 or more")
_WORDS: tuple[Check, str] = (_words, "a text")
_YES_OR_NO: tuple[Check, str] = (lambda value: isinstance(value, bool), "true or false")

_FIELDS: Mapping[str, Mapping[str, tuple[Check, str]]] = {
    "fault": {
        "action": _WORDS,
        "match": (
            lambda value: isinstance(value, dict) and all(map(_words, [*value, *value.values()])),
            "an object of texts",
        ),
        "code": _WORDS,
        "status": (lambda value: _whole(value) and 400 <= value < 600, "an HTTP error status"),
        "message": _WORDS,
        "drop": _YES_OR_NO,
        "pages": (lambda value: value in ("missing", "duplicate"), '"missing" or "duplicate"'),
        "delay": _NUMBER,
        "when": (lambda value: value in ("before", "after"), '"before" or "after"'),
        "probability": (lambda value: _number(value) and value <= 1, "a number from 0 to 1"),
        "count": (_whole, "a whole number"),
    },
    "capacity": {
        "type": _WORDS,
        "zone": _WORDS,
        "limit": (lambda value: value is None or _whole(value), "a whole number or null"),
        "late": _YES_OR_NO,
    },
    "quota": {
        "code": _WORDS,
        "limit": _NUMBER,
    },
    "throttle": {"on": _YES_OR_NO},
    "lag": {"hidden": _NUMBER, "stale": _NUMBER},
    "times": dict.fromkeys(("pending", "stopping", "shutting_down", "attaching"), _NUMBER),
    "machines": {
        "behaviour": (lambda value: value in BEHAVIOURS, f"one of {', '.join(BEHAVIOURS)}"),
        "count": (lambda value: value is None or _whole(value), "a whole number or null"),
        "tag": _WORDS,
        "id": _WORDS,
    },
}
_NEEDED: Mapping[str, frozenset[str]] = {
    "capacity": frozenset({"limit"}),
    "quota": frozenset({"code", "limit"}),
    "throttle": frozenset({"on"}),
    "machines": frozenset({"behaviour"}),
}


def checked(entry: object, terms: Terms) -> tuple[str, dict[str, Any]]:
    """The kind and the values of one entry.

    Raises:
        BadRule: it is not as the schema says.
    """
    if not isinstance(entry, dict):
        raise BadRule("A rule is a JSON object, or a list of them.")
    values = dict(entry)
    kind = values.pop("kind", "fault")
    if kind not in _FIELDS:
        raise BadRule(f"There is no kind {kind!r}; the kinds are {', '.join(_FIELDS)}.")
    for name, value in values.items():
        if name not in _FIELDS[kind]:
            raise BadRule(f"A {kind} has no {name!r}; it has {', '.join(_FIELDS[kind])}.")
        check, what = _FIELDS[kind][name]
        if not check(value):
            raise BadRule(f"The {name!r} of a {kind} is {what}, not {value!r}.")
    if kind == "quota" and values.get("code", "") not in {"", *terms.quotas}:
        known = f"one of {', '.join(terms.quotas)}"
        raise BadRule(f"The 'code' of a quota is {known}, not {values['code']!r}.")
    if values.get("late") and not terms.late:
        raise BadRule("This cloud refuses capacity at once, never late.")
    missing = _NEEDED.get(kind, frozenset()) - values.keys()
    if missing:
        raise BadRule(f"A {kind} needs {', '.join(sorted(missing))}.")
    if kind == "fault" and not values.keys() & {"code", "drop", "pages", "delay"}:
        raise BadRule("A fault needs at least one of code, drop, pages and delay.")
    return kind, values

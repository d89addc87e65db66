"""One answer of Azure's beside one of ours: field by field, header by header."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.emulator.arm_differences import MISSING, MORE, OTHER

Difference = tuple[str, str, str]
"""Of what, how they differ, and the place."""

_UNIQUE = (
    (re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE), "<uuid>"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)"), "<time>"),
    (re.compile(r"[0-9a-f]{32}"), "<hex>"),
    (re.compile(r"\d+\.\d+\.\d+\.\d+"), "<version or address>"),
    (re.compile(r"([0-9A-F]{2}-){5}[0-9A-F]{2}"), "<mac>"),
)
"""What is another at each run, whoever answers."""

TRANSPORT = frozenset(
    {"connection", "content-length", "date", "server", "transfer-encoding", "vary"}
)
"""Headers of the web server and not of Azure's interface."""


def fields(of: str, theirs: Any, ours: Any, place: str = "") -> Iterator[Difference]:
    """Where two JSON values differ. Lists are compared entry by entry, by name where they have one."""
    if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
        for key in sorted(theirs.keys() | ours.keys()):
            where = f"{place}.{key}" if place else key
            if key not in ours:
                yield of, MISSING, where
            elif key not in theirs:
                yield of, MORE, where
            else:
                yield from fields(of, theirs[key], ours[key], where)
    elif isinstance(theirs, list) and isinstance(ours, list):
        yield from _entries(of, theirs, ours, f"{place}[]")
    elif _plain(theirs) != _plain(ours):
        yield of, OTHER, place


def headers(of: str, theirs: frozenset[str], ours: frozenset[str]) -> Iterator[Difference]:
    """Which headers only one of the two has."""
    for name in sorted(theirs - ours - TRANSPORT):
        yield of, MISSING, f"header {name}"
    for name in sorted(ours - theirs - TRANSPORT):
        yield of, MORE, f"header {name}"


def _entries(of: str, theirs: list[Any], ours: list[Any], place: str) -> Iterator[Difference]:
    named = {_name(one): one for one in ours}
    if len(named) == len(ours) and None not in named:
        known = {_name(one): one for one in theirs}
        if known.keys() - named.keys():
            yield of, MISSING, place
        if named.keys() - known.keys():
            yield of, MORE, place
        for name in known.keys() & named.keys():
            yield from fields(of, known[name], named[name], place)
        return
    if len(theirs) != len(ours):
        yield of, MISSING if len(theirs) > len(ours) else MORE, place
    for one, other in zip(theirs, ours, strict=False):
        yield from fields(of, one, other, place)


def _name(entry: Any) -> Any:
    """What an entry of a list is known by: a usage by its name, a status by its kind."""
    if not isinstance(entry, Mapping):
        return None
    if isinstance(entry.get("name"), Mapping):
        return entry["name"].get("value")
    if "code" in entry:
        return str(entry["code"]).partition("/")[0]
    return None


def _plain(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    for pattern, word in _UNIQUE:
        value = pattern.sub(word, value)
    return value.lower() if value.startswith("/subscriptions/") else value

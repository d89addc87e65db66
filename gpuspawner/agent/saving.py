"""Waits for the open front ends to save, before the server is ended: they have what is not saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LONGEST_SENSORS_AGE = 30.0
"""A server that has written nothing for so long is not waited for: it hangs, or has no extension."""


@dataclass(frozen=True)
class Saving:
    """A request to the front ends; `until` is when they are waited for no more (monotonic)."""

    request: str
    until: float

    def shown(self, session: Mapping[str, Any]) -> dict[str, Any]:
        """What the student's server is shown: `session`, with the request in it."""
        inner = session.get("session")
        inner = dict(inner) if isinstance(inner, dict) else {}
        inner["save"] = self.request
        return {**session, "session": inner}

    def is_over(self, now: float, facts: Mapping[str, Any]) -> bool:
        """Whether the server may be ended: all is saved, nobody is there, or the time is over."""
        return now >= self.until or not is_awaited(facts, self.request)


def is_awaited(facts: Mapping[str, Any], request: str) -> bool:
    """Whether an open front end is there that has not answered `request`; `facts` as in `Facts.read`."""
    server, age = facts.get("server"), facts.get("server_age")
    if not isinstance(server, dict) or age is None or age > LONGEST_SENSORS_AGE:
        return False
    tabs, saved = server.get("tabs"), server.get("saved")
    if not isinstance(tabs, dict) or not tabs.get("open"):
        return False
    return not (isinstance(saved, dict) and saved.get("request") == request)

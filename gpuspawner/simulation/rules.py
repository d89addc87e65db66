"""The rules that the shipped one is compared with, as far as each can see what goes on."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from gpuspawner.simulation.assumptions import DAY
from gpuspawner.simulation.student import Span, Student, first_after, first_from


class Rule(Protocol):
    """When a machine that is on since `since` would be stopped, if the student does nothing about it."""

    def stop(self, student: Student, since: float, until: float) -> float | None:
        """The moment, before `until`; None when it would not be. What began before `since` is gone."""
        ...


@dataclass(frozen=True)
class Never:
    """Only people stop machines."""

    def stop(self, student: Student, since: float, until: float) -> float | None:
        """Never."""
        del student, since, until
        return None


@dataclass(frozen=True)
class Nightly:
    """Every night at an hour of the day."""

    hour: float = 3.0

    def stop(self, student: Student, since: float, until: float) -> float | None:
        """The next night."""
        del student
        at = (since - self.hour * 60) // DAY * DAY + DAY + self.hour * 60
        return at if at < until else None


@dataclass(frozen=True)
class Quiet:
    """After `limit` minutes without any of what it looks at, and after `longest` in any case.

    `looks_at` are names of lists of a student; `pages` among them makes an open page count.
    """

    limit: float
    looks_at: tuple[str, ...]
    longest: float = float("inf")

    def stop(self, student: Student, since: float, until: float) -> float | None:
        """The end of the first quiet time that is long enough."""
        last = since
        for start, end in self._activity(student, since):
            if start - last > self.limit or start > until:
                break
            last = max(last, end)
        at = min(last + self.limit, since + self.longest)
        return at if at < until else None

    def _activity(self, student: Student, since: float) -> Iterator[Span]:
        """All of it from `since` on, by its beginning, merged as it is read."""
        return heapq.merge(*(_from(student, name, since) for name in self.looks_at))


def _from(student: Student, name: str, since: float) -> Iterator[Span]:
    if name == "messages":
        at = first_after(student.messages, since)
        while at is not None:
            yield at, at
            at = first_after(student.messages, at)
        return
    spans = getattr(student, name)
    if name == "pages":
        # A page that was open before connects again.
        for start, end in student.pages:
            if end > since:
                yield max(start, since), end
        return
    for index in range(first_from(spans, since), len(spans)):
        yield spans[index][0], spans[index][1]


STOCK = ("pages", "messages", "output")
"""What JupyterHub's `last_activity` sees: connections through the proxy, and messages of kernels."""

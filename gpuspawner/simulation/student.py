"""What one student does in a term, whatever the rule: it only decides when the machine stops."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Span: TypeAlias = tuple[float, float]
"""From when to when, in minutes."""


@dataclass(slots=True)
class Training:
    """Work that goes on with nobody there, and is needed until its end."""

    start: float
    end: float


@dataclass(slots=True)
class Sitting:
    """A student at work. `breaks` lie within it."""

    kind: str
    start: float
    end: float
    breaks: list[Span] = field(default_factory=list)

    def away(self, at: float) -> Span | None:
        """The break at that time."""
        return next((one for one in self.breaks if one[0] <= at < one[1]), None)


@dataclass(slots=True)
class Student:
    """All lists are in the order of their beginnings. `messages` are what only a person does.

    `pages` are open browser pages, `presses` presses of *Stop*, `gpu` the GPU's work with its
    level in percent, `leases` when it was asked to go on until the work is done.
    `notices` says for each 20 minutes whether the student would notice a warning.
    """

    sittings: list[Sitting] = field(default_factory=list)
    messages: list[float] = field(default_factory=list)
    pages: list[Span] = field(default_factory=list)
    presses: list[float] = field(default_factory=list)
    processor: list[Span] = field(default_factory=list)
    kernel: list[Span] = field(default_factory=list)
    terminal: list[Span] = field(default_factory=list)
    output: list[Span] = field(default_factory=list)
    gpu: list[tuple[float, float, float]] = field(default_factory=list)
    leases: list[float] = field(default_factory=list)
    trainings: list[Training] = field(default_factory=list)
    notices: list[bool] = field(default_factory=list)
    _gpu_from: tuple[float, list[Span]] | None = None

    def settle(self) -> None:
        """Bring the lists into order, once all is drawn."""
        for spans in (self.processor, self.kernel, self.terminal, self.output):
            spans.sort()
        self.gpu.sort()
        self.messages.sort()
        self.presses.sort()
        self.pages = merged(self.pages)
        for training in self.trainings:
            press = first_after(self.presses, training.start)
            if press is not None and press < training.end:
                training.end = press

    def gpu_from(self, floor: float) -> list[Span]:
        """The GPU's work at that level or more, in percent."""
        if self._gpu_from is None or self._gpu_from[0] != floor:
            spans = [(start, end) for start, end, level in self.gpu if level >= floor]
            self._gpu_from = (floor, spans)
        return self._gpu_from[1]

    def sitting_at(self, at: float) -> Sitting | None:
        """The sitting that goes on at that time."""
        index = bisect_right(self.sittings, at, key=lambda one: one.start) - 1
        if index >= 0 and at < self.sittings[index].end:
            return self.sittings[index]
        return None

    def next_sitting(self, at: float) -> Sitting | None:
        """The first one that begins after that."""
        index = bisect_right(self.sittings, at, key=lambda one: one.start)
        return self.sittings[index] if index < len(self.sittings) else None

    def page_at(self, at: float) -> tuple[bool, float | None, float | None]:
        """Whether a page is open, when the last one was closed, and when that changes next."""
        index = bisect_right(self.pages, at, key=lambda one: one[0]) - 1
        later = self.pages[index + 1][0] if index + 1 < len(self.pages) else None
        if index < 0:
            return False, None, later
        end = self.pages[index][1]
        return (True, None, end) if at < end else (False, end, later)

    def need(self, break_needed: float) -> list[Span]:
        """When the machine is needed: present, on a short break, or a training runs."""
        spans: list[Span] = [(one.start, one.end) for one in self.trainings]
        for sitting in self.sittings:
            start = sitting.start
            for begin, end in sitting.breaks:
                if end - begin > break_needed:
                    spans.append((start, begin))
                    start = end
            spans.append((start, sitting.end))
        return merged(spans)


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same times, with no two spans that touch."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if end <= start:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def first_after(moments: Sequence[float], at: float) -> float | None:
    """The first of them after that."""
    index = bisect_right(moments, at)
    return moments[index] if index < len(moments) else None


def first_from(spans: Sequence[Span] | Sequence[tuple[float, float, float]], at: float) -> int:
    """The index of the first that begins then or later."""
    return bisect_left(spans, at, key=lambda one: one[0])

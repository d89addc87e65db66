"""One student's term under one rule: when the machine was on, and whom the rule hit."""

from __future__ import annotations

from dataclasses import dataclass, field

from gpuspawner.simulation.assumptions import WEEK, Assumptions
from gpuspawner.simulation.rules import Rule
from gpuspawner.simulation.student import Span, Student, Training, first_after, merged


@dataclass(slots=True)
class Outcome:
    """Sums over students; minutes. `weekly` is what was billed of sessions begun in each week.

    `killed` trainings had begun and not ended; `redo` is what had been computed of them.
    `interrupted` sittings had somebody present or on a short
    break; `cold` ones came back from a long break to a machine that was off. `idle` is the time
    that a machine was on and not needed, `longest_idle` the longest of it in one piece.
    """

    billed: float = 0.0
    needed: float = 0.0
    trainings: int = 0
    killed: int = 0
    redo: float = 0.0
    sittings: int = 0
    interrupted: int = 0
    cold: int = 0
    idle: float = 0.0
    longest_idle: float = 0.0
    weekly: list[float] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        """Sum up, in place."""
        for name in self.__slots__:
            if name not in ("longest_idle", "weekly"):
                setattr(self, name, getattr(self, name) + getattr(other, name))
        self.longest_idle = max(self.longest_idle, other.longest_idle)
        size = max(len(self.weekly), len(other.weekly))
        both = [[*one, *[0.0] * (size - len(one))] for one in (self.weekly, other.weekly)]
        self.weekly = [a + b for a, b in zip(*both, strict=True)]


def run(assumed: Assumptions, student: Student, rule: Rule) -> Outcome:
    """The term of one student."""
    return _Term(assumed, student, rule).play()


def oracle(assumed: Assumptions, student: Student) -> float:
    """The minutes that a rule would bill that knows the future: on when needed, and only then."""
    gap = assumed.boot + 1.0
    spans: list[Span] = []
    for start, end in student.need(assumed.break_needed):
        if spans and start - spans[-1][1] <= gap:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    each = assumed.boot + assumed.stopping
    first = assumed.first_boot - assumed.boot if spans else 0.0
    return sum(end - start + each for start, end in spans) + first


class _Term:
    def __init__(self, assumed: Assumptions, student: Student, rule: Rule) -> None:
        self.assumed, self.student, self.rule = assumed, student, rule
        self.on: list[Span] = []
        self.killed: dict[int, float] = {}
        self.interrupted: set[int] = set()
        self.cold: set[int] = set()

    def play(self) -> Outcome:
        at = self.student.sittings[0].start if self.student.sittings else None
        while at is not None:
            press = first_after(self.student.presses, at)
            limit = self.assumed.horizon if press is None else press
            stop = self.rule.stop(self.student, at, limit)
            off = limit if stop is None else stop
            self.on.append((at, off))
            if stop is not None:
                self._stopped(at, off)
            at = self._starts_again(off)
        return self._outcome()

    def _stopped(self, since: float, at: float) -> None:
        """The rule stopped it: whom does that hit?"""
        for index, training in enumerate(self.student.trainings):
            if since <= training.start <= at < training.end:
                self.killed[index] = at
        sitting = self.student.sitting_at(at)
        if sitting is None:
            return
        away = sitting.away(at)
        long = away is not None and away[1] - away[0] > self.assumed.break_needed
        (self.cold if long else self.interrupted).add(id(sitting))

    def _starts_again(self, off: float) -> float | None:
        """At the next thing that the student does in the same sitting, else with the next one."""
        sitting = self.student.sitting_at(off)
        if sitting is not None:
            message = first_after(self.student.messages, off)
            if message is not None and message + 1 < sitting.end:
                return message + 1
        following = self.student.next_sitting(off)
        return following.start if following else None

    def _outcome(self) -> Outcome:
        assumed, trainings = self.assumed, self.student.trainings
        each = assumed.boot + assumed.stopping
        first = assumed.first_boot - assumed.boot
        weekly = [0.0] * (assumed.weeks + 1)
        for number, (start, end) in enumerate(self.on):
            billed = end - start + each + (0.0 if number else first)
            weekly[min(int(start // WEEK), assumed.weeks)] += billed
        idle = self._idle()
        return Outcome(
            billed=sum(weekly),
            needed=oracle(assumed, self.student),
            trainings=len(trainings),
            killed=len(self.killed),
            redo=sum(at - trainings[index].start for index, at in self.killed.items()),
            sittings=len(self.student.sittings),
            interrupted=len(self.interrupted),
            cold=len(self.cold - self.interrupted),
            idle=sum(end - start for start, end in idle),
            longest_idle=max((end - start for start, end in idle), default=0.0),
            weekly=weekly,
        )

    def _idle(self) -> list[Span]:
        """When it was on and not needed. What is left of a killed training is needed no more."""
        left = [
            Training(one.start, self.killed.get(index, one.end))
            for index, one in enumerate(self.student.trainings)
            # One that found its machine off did not begin; its sitting counts as interrupted.
            if any(start <= one.start <= end for start, end in self.on)
        ]
        needed = Student(sittings=self.student.sittings, trainings=left)
        return without(self.on, needed.need(self.assumed.break_needed))


def without(spans: list[Span], holes: list[Span]) -> list[Span]:
    """`spans` less `holes`; both are in order and touch nothing of their own."""
    found = []
    holes = merged(holes)
    index = 0
    for start, end in spans:
        at = start
        while index < len(holes) and holes[index][1] <= at:
            index += 1
        look = index
        while look < len(holes) and holes[look][0] < end:
            if holes[look][0] > at:
                found.append((at, holes[look][0]))
            at = max(at, holes[look][1])
            look += 1
        if at < end:
            found.append((at, end))
    return found

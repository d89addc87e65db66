"""The shipped rule in the model: facts in, `decide()` asked, and asked again when it says so."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from gpuspawner.model import Reason
from gpuspawner.policy.idle import Kind, Verdict, decide
from gpuspawner.policy.session import Policy, Session, Signal, Warned, extended, leased
from gpuspawner.simulation.student import Span, Student, first_after, first_from

BEGIN = datetime(2026, 3, 2, tzinfo=timezone.utc)
"""A Monday. The model knows no time zone."""

_BLOCK = 20.0
_DAY = 1440.0


def moment(at: float) -> datetime:
    """Minutes of the term as the rule knows time."""
    return BEGIN + timedelta(minutes=at)


def minutes(at: datetime) -> float:
    """The way back."""
    return (at - BEGIN) / timedelta(minutes=1)


@dataclass(frozen=True)
class Shipped:
    """`gpuspawner.policy.idle.decide` with an admin's limits; `classes` is when there is class."""

    policy: Policy = field(default_factory=Policy)
    classes: Sequence[Span] = ()
    lease: bool = True
    warns: bool = True

    def stop(self, student: Student, since: float, until: float) -> float | None:
        """Ask at every moment that the rule names, and when something happens that is not activity.

        More activity never stops a machine earlier, so nothing need be asked when there is some.
        """
        watch = _Watch(self, student, since)
        at = since
        while at < until:
            verdict = watch.look(at)
            if verdict.kind in (Kind.SAVE_AND_STOP, Kind.STOP_NOW):
                return at
            at = watch.next_look(at, minutes(verdict.next_change_at))
        return None


class _Watch:
    """One session, from one start to the next stop."""

    def __init__(self, rule: Shipped, student: Student, since: float) -> None:
        self.rule, self.student, self.since = rule, student, since
        self.warned: tuple[Warned, ...] = ()
        self.click: float | None = None
        self.clicked_at = since
        self.extended_until: datetime | None = None
        self.extensions: list[float] = []
        self.gpu = _Work(student.gpu_from(rule.policy.idle.gpu_floor), since)
        self.processor = _Work(student.processor, since)
        self.kernel = _Work(student.kernel, since)

    def look(self, at: float) -> Verdict:
        """Take the click that was due, ask the rule, and let a warning be seen."""
        if self.click is not None and at >= self.click:
            self.clicked_at, self.click = self.click, None
            self._extend(self.clicked_at)
        session = self._session(at)
        verdict = decide(self.rule.policy, session, moment(at))
        known = {one.reason for one in self.warned}
        self.warned = verdict.warned
        if verdict.kind is Kind.WARN and verdict.reason not in known and self.rule.warns:
            self.click = self._notices(at, minutes(verdict.at or verdict.next_change_at))
        return verdict

    def next_look(self, at: float, named: float) -> float:
        """When the rule says so, when a page is closed, and while it warns at any activity."""
        times = [named, self.student.page_at(at)[2]]
        if self.warned:
            times += [self.click, first_after(self.student.messages, at)]
            kinds = (self.gpu, self.processor, self.kernel)
            times += [work.begins_after(at) for work in kinds]
        return min(time for time in times if time is not None and time > at)

    def _session(self, at: float) -> Session:
        messages = self.student.messages
        index = bisect_right(messages, at) - 1
        person = max(self.since, self.clicked_at, messages[index] if index >= 0 else self.since)
        is_open, closed, _change = self.student.page_at(at)
        return Session(
            started_at=moment(self.since),
            up_at=moment(self.since),
            human=Signal(moment(person)),
            gpu=self.gpu.signal(at),
            processor=self.processor.signal(at),
            kernel=self.kernel.signal(at),
            tab_open=is_open,
            tab_closed_at=None if is_open or closed is None else moment(max(closed, self.since)),
            class_until=self._class_until(at),
            lease_until=self._lease(at),
            extended_until=self.extended_until,
            warned=self.warned,
        )

    def _class_until(self, at: float) -> datetime | None:
        classes = self.rule.classes
        index = bisect_right(classes, at, key=lambda one: one[0]) - 1
        return moment(classes[index][1]) if index >= 0 and at < classes[index][1] else None

    def _lease(self, at: float) -> datetime | None:
        asked = [one for one in self.student.leases if self.since <= one <= at]
        if not asked or not self.rule.lease:
            return None
        return leased(self.rule.policy.session, moment(asked[-1])).until

    def _notices(self, begin: float, end: float) -> float | None:
        """When the student sees the warning and clicks: present, the page open, and attentive."""
        at = begin
        while at < end:
            sitting = self.student.sitting_at(at)
            present = sitting is not None and sitting.away(at) is None
            if present and self.student.page_at(at)[0] and self.student.notices[int(at // _BLOCK)]:
                return at
            at += 1.0
        return None

    def _extend(self, at: float) -> None:
        """Against the longest session a click gives more time, so often a day."""
        if all(one.reason is not Reason.LONGEST_SESSION for one in self.warned):
            return
        today = sum(1 for one in self.extensions if one // _DAY == at // _DAY)
        end = moment(self.since) + self.rule.policy.session.longest
        until = extended(self.rule.policy.session, today, max(end, moment(at)), moment(at)).until
        if until is not None:
            self.extensions.append(at)
            self.extended_until = until


class _Work:
    """One kind of work from `since` on; the times that are asked for only go forward.

    What began before went with the machine.
    """

    def __init__(self, spans: Sequence[Span], since: float) -> None:
        self._spans = spans
        self._index = first_from(spans, since)
        self._end: float | None = None

    def signal(self, at: float) -> Signal:
        while self._index < len(self._spans) and self._spans[self._index][0] <= at:
            end = self._spans[self._index][1]
            self._end = end if self._end is None else max(self._end, end)
            self._index += 1
        return Signal(None if self._end is None else moment(min(self._end, at)))

    def begins_after(self, at: float) -> float | None:
        """When some begins next; what goes on already counts as beginning soon."""
        if self._end is not None and self._end > at:
            return None
        return self._spans[self._index][0] if self._index < len(self._spans) else None

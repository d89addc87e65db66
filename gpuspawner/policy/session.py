"""What is known of one session, the limits that an admin sets, and when a session ends in any case.

A session is the time from one start to the next stop. What the machine tells of itself can only
move decisions within these limits: the student may be root on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta, timezone, tzinfo

from gpuspawner.language import Sentence
from gpuspawner.model import Reason
from gpuspawner.policy import idle_sentences as words
from gpuspawner.policy.timetable import ClassHours, class_until

_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """When a session ends in any case. `nightly` is the time on the clock of `zone`."""

    longest: timedelta = 12 * _HOUR
    longest_with_work: timedelta = 24 * _HOUR
    nightly: time | None = None
    zone: tzinfo = timezone.utc
    warning: timedelta = 30 * _MINUTE
    extension: timedelta = 30 * _MINUTE
    extensions_per_day: int = 3
    lease: timedelta = 12 * _HOUR


@dataclass(frozen=True, slots=True)
class IdleLimits:
    """How long a machine may do nothing; `settings.idle` says what each means.

    `gpu_floor` is a percentage, `processor_floor` a percentage of one core: from there on it is
    work. They are applied to what a machine reports, before the rule sees it. `classes` is when
    `in_class` holds. Without `enforce` the rule is asked and nothing is stopped for it.
    """

    with_tab: timedelta = 30 * _MINUTE
    without_tab: timedelta = 15 * _MINUTE
    tab_grace: timedelta = 3 * _MINUTE
    in_class: timedelta = 45 * _MINUTE
    no_show: timedelta = 15 * _MINUTE
    attended: timedelta = 30 * _MINUTE
    work_done: timedelta = 13 * _MINUTE
    gpu: timedelta = 12 * _HOUR
    processor: timedelta = 90 * _MINUTE
    kernel: timedelta = 20 * _MINUTE
    unknown: timedelta = 30 * _MINUTE
    lease_window: timedelta = 15 * _MINUTE
    warning: timedelta = 5 * _MINUTE
    minimum: timedelta = 10 * _MINUTE
    gpu_floor: float = 1.0
    processor_floor: float = 25.0
    classes: tuple[ClassHours, ...] = ()
    enforce: bool = True


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything that an admin decides, and what the cloud charges for at least with every start."""

    idle: IdleLimits = field(default_factory=IdleLimits)
    session: SessionLimits = field(default_factory=SessionLimits)
    paid_minimum: timedelta = timedelta()

    def class_until(self, now: datetime) -> datetime | None:
        """When the class ends that there is now; None when there is none."""
        return class_until(self.idle.classes, self.session.zone, now)


_MISTAKEN = 1.5


def generous(policy: Policy) -> Policy:
    """The limits for somebody who was stopped by mistake today: longer, and for this day only."""
    idle = policy.idle
    longer = replace(
        idle,
        with_tab=idle.with_tab * _MISTAKEN,
        without_tab=idle.without_tab * _MISTAKEN,
        in_class=idle.in_class * _MISTAKEN,
    )
    return replace(policy, idle=longer)


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing that is watched: when it last showed activity (None: not in this session).

    `unknown_since` is since when it cannot be seen; None while it can. Unknown is not zero.
    """

    active_at: datetime | None = None
    unknown_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Warned:
    """Since when the student has been shown, without a break, that the session ends for `reason`.

    `IDLE` stands for all that has to do with nobody using it.
    """

    reason: Reason
    since: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """What is known of one session, as facts with their times; none of them lies in the future.

    `started_at` is when it began to cost something, `up_at` when the server could be used (None:
    not yet). `human` is what only a person does: running a cell, typing in a terminal, saving,
    pressing a button of ours. `gpu` and `processor` are work above the floor, `kernel` is a kernel
    that says it is busy. Memory that is held on a GPU is no signal, since a framework never gives
    it back. `tab_open` None means unknown; `tab_closed_at` is when the last one was closed.
    `hub_activity_at` is the hub's own opinion, used only while `human` cannot be seen.

    `class_until` is set during a scheduled class, `held_until` by an admin, `lease_until` and
    `extended_until` by a student's click, which `granted` limits. `heard` is false when the
    machine does not answer, so that nothing can be saved on it. `warned` is what the last verdict gave
    back, one for each kind of end: while a nearer one is shown, that of another still counts.
    """

    started_at: datetime
    up_at: datetime | None = None
    human: Signal = field(default_factory=Signal)
    gpu: Signal = field(default_factory=Signal)
    processor: Signal = field(default_factory=Signal)
    kernel: Signal = field(default_factory=Signal)
    tab_open: bool | None = False
    tab_closed_at: datetime | None = None
    hub_activity_at: datetime | None = None
    class_until: datetime | None = None
    held_until: datetime | None = None
    lease_until: datetime | None = None
    extended_until: datetime | None = None
    warned: tuple[Warned, ...] = ()
    heard: bool = True


@dataclass(frozen=True, slots=True)
class End:
    """A moment at which a session ends, unless something happens before.

    `because` is told afterwards, `ahead` in the warning, and `warning` is how long before.
    """

    at: datetime
    reason: Reason
    because: Sentence
    ahead: Sentence
    warning: timedelta


def night_after(moment: datetime, limits: SessionLimits) -> datetime | None:
    """The first nightly stop after `moment`, in UTC; None when there is no nightly stop.

    There is one on every day of the calendar. On the day on which the clock is put forward over
    it, it comes when it would have come without that; where an hour comes twice, in the first.
    """
    if limits.nightly is None:
        return None
    today = moment.astimezone(limits.zone).date()
    for days in (-1, 0, 1, 2):
        found = _on(today + timedelta(days=days), limits.nightly, limits.zone)
        if found > moment:
            return found
    raise AssertionError("a day has no more than a day")


def _on(day: date, at: time, zone: tzinfo) -> datetime:
    return datetime.combine(day, at.replace(fold=0), zone).astimezone(timezone.utc)


def hard_ends(
    limits: SessionLimits,
    session: Session,
    working: datetime | None = None,
    leased: datetime | None = None,
    soft: timedelta = 5 * _MINUTE,
) -> tuple[End, ...]:
    """When the session ends whatever is done in it.

    Args:
        limits: the admin's.
        session: what is known of it.
        working: until when work holds it, if so. It puts off the longest session, but no farther
            than `longest_with_work`, for it is the machine that says so.
        leased: until when it goes on by the student's wish and with work, if so.
        soft: how long before the end of work that has put it off is warned of. That end moves as
            long as there is work, and must not be announced all the while.

    A lease and an extension put off the longest session; nothing puts off the night.
    """
    ends_at = [session.started_at + limits.longest]
    if working is not None:
        ends_at.append(min(working, session.started_at + limits.longest_with_work))
    ends_at += [one for one in (leased, session.extended_until) if one is not None]
    longest = max(ends_at)
    worked = longest > ends_at[0]
    moves = worked and longest < session.started_at + limits.longest_with_work
    hours = words.hours(limits.longest_with_work if worked else limits.longest)
    ends = [
        End(
            longest,
            Reason.LONGEST_SESSION,
            words.longest(hours),
            words.longest_ahead(hours),
            min(soft, limits.warning) if moves else limits.warning,
        )
    ]
    night = night_after(session.started_at, limits)
    if night is not None:
        ends.append(
            End(night, Reason.NIGHTLY_STOP, words.night(), words.night_ahead(), limits.warning)
        )
    return tuple(ends)


@dataclass(frozen=True, slots=True)
class Grant:
    """The answer to a click: until when it goes on, or None with the reason why not."""

    until: datetime | None
    because: Sentence


def extended(limits: SessionLimits, given_today: int, end: datetime, now: datetime) -> Grant:
    """A click on *Keep running*.

    Args:
        limits: the admin's.
        given_today: how many were given to this student since the day began in `limits.zone`.
        end: when it would end now.
        now: when it was clicked.
    """
    if given_today >= limits.extensions_per_day:
        return Grant(None, words.no_more_extensions(limits.extensions_per_day))
    return Grant(max(end, now) + limits.extension, words.extended(words.minutes(limits.extension)))


def leased(limits: SessionLimits, now: datetime) -> Grant:
    """A click on *Go on until my work is done*."""
    if not limits.lease:
        return Grant(None, words.no_lease())
    return Grant(now + limits.lease, words.leased(words.hours(limits.lease)))


def day_begins(limits: SessionLimits, now: datetime) -> datetime:
    """When the present day began in the class's time zone, in UTC: extensions are counted from it."""
    return _on(now.astimezone(limits.zone).date(), time(), limits.zone)

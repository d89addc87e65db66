"""When a machine that nobody uses is stopped. Pure and total; `docs/idle.md` has it in words.

Several things can hold a session up: somebody used it, something works in it, it was asked to go
on. Each holds it until a moment that follows from the facts alone, and the latest of these moments
is when it ends. So more activity never stops anything earlier, and when the answer will change is
known exactly.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from gpuspawner.language import Sentence
from gpuspawner.model import Reason
from gpuspawner.policy import idle_sentences as words
from gpuspawner.policy.session import End, Policy, Session, Signal, Warned, hard_ends

RULE_VERSION = 2
"""Grows when the same facts and limits get another answer. It is kept with every stop."""

LOOK_AGAIN = timedelta(minutes=1)
"""After an answer that time alone does not change, and after a stop: is it done?"""


class Kind(str, enum.Enum):
    """What is to be done."""

    KEEP = "keep"
    WARN = "warn"
    SAVE_AND_STOP = "save_and_stop"
    STOP_NOW = "stop_now"


class Mode(str, enum.Enum):
    """What the session is doing, in one word for a list."""

    STARTING = "starting"
    HELD = "held"
    ACTIVE = "active"
    WORKING = "working"
    UNKNOWN = "unknown"
    IDLE = "idle"
    NO_SHOW = "no_show"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer. `at` is when it stops, as things are now; None when nothing ends it by itself.

    `at` is the nearest of all ends, also of one that is not warned of yet, so nothing is stopped
    before it. `reason` is set for every answer but `KEEP`. `next_change_at` is when to ask again:
    until then the same facts get the same answer. A click or work may of course come before.
    `warned` is to be given back with the next question.
    """

    kind: Kind
    mode: Mode
    because: Sentence
    next_change_at: datetime
    at: datetime | None = None
    reason: Reason | None = None
    version: int = RULE_VERSION
    warned: tuple[Warned, ...] = ()


@dataclass(frozen=True, slots=True)
class Hold:
    """What holds a session up, and until when; then it ends for `reason`."""

    until: datetime
    mode: Mode
    because: Sentence
    reason: Reason
    ended: Sentence
    ahead: Sentence


def decide(policy: Policy, session: Session, now: datetime) -> Verdict:
    """What is to be done with a running session.

    Args:
        policy: the admin's limits.
        session: what is known of it.
        now: aware, like every time in `session`.
    """
    if session.held_until is not None and now < session.held_until:
        return Verdict(Kind.KEEP, Mode.HELD, words.held(), session.held_until)
    if session.up_at is None:
        # A start has a time limit of its own.
        return Verdict(Kind.KEEP, Mode.STARTING, words.starting(), now + LOOK_AGAIN)
    person = _person(policy, session)
    work = _work(policy, session, person or session.up_at)
    lease = _lease(policy, session)
    holds = [*_holds(policy, session, session.up_at, person, work), *work, *lease]
    hold = max(holds, key=lambda one: one.until)
    idle = End(hold.until, hold.reason, hold.ended, hold.ahead, policy.idle.warning)
    hard = hard_ends(
        policy.session,
        session,
        working=max((one.until for one in work), default=None),
        leased=max((one.until for one in lease), default=None),
        soft=policy.idle.warning,
    )
    return _together([_answer(end, hold, session, now) for end in (idle, *hard)], session, now)


def _answer(end: End, hold: Hold, session: Session, now: datetime) -> Verdict:
    """What one end means now. It is never sooner than the warning has been shown for its time."""
    begins = end.at - end.warning
    if now < begins:
        return Verdict(Kind.KEEP, hold.mode, hold.because, begins, end.at)
    since = _told(session).get(_group(end.reason), now)
    at = max(end.at, since + end.warning)
    mode = Mode.NO_SHOW if end.reason is Reason.NO_SHOW else Mode.IDLE
    mode = hold.mode if end.reason in HARD else mode
    if now < at:
        return Verdict(Kind.WARN, mode, end.ahead, at, at, end.reason)
    kind = Kind.SAVE_AND_STOP if session.heard else Kind.STOP_NOW
    return Verdict(kind, mode, end.because, now + LOOK_AGAIN, at, end.reason)


HARD = frozenset({Reason.LONGEST_SESSION, Reason.NIGHTLY_STOP})
"""The ends that come whatever is done in a session."""

_STRENGTH = {Kind.KEEP: 0, Kind.WARN: 1, Kind.SAVE_AND_STOP: 2, Kind.STOP_NOW: 2}


def _together(answers: list[Verdict], session: Session, now: datetime) -> Verdict:
    """The strongest answer, of equal ones the one that ends soonest, until any of them changes.

    Only that one is shown. What was shown before is not lost by it, or else whoever lets a nearer
    end come and go would put off the longest session for ever.
    """
    first = min(answers, key=lambda one: (-_STRENGTH[one.kind], one.at or one.next_change_at))
    told = _told(session)
    groups = {_group(one.reason): one is first for one in answers if one.reason}
    return Verdict(
        first.kind,
        first.mode,
        first.because,
        min(one.next_change_at for one in answers),
        min((one.at for one in answers if one.at), default=None),
        first.reason,
        first.version,
        tuple(
            Warned(group, told.get(group, now))
            for group, shown in groups.items()
            if shown or group in told
        ),
    )


def _told(session: Session) -> dict[Reason, datetime]:
    return {one.reason: one.since for one in session.warned}


def _group(reason: Reason) -> Reason:
    """What a warning is kept under: that of an idle machine is one, whatever it is about just now."""
    return reason if reason in HARD else Reason.IDLE


def _holds(
    policy: Policy, session: Session, up_at: datetime, person: datetime | None, work: list[Hold]
) -> Iterator[Hold]:
    """Everything that holds the session up beside work."""
    limits = policy.idle
    paid = session.started_at + max(limits.minimum, policy.paid_minimum)
    yield _hold(paid, Mode.ACTIVE, words.just_started(), Reason.IDLE, words.idle_short())
    yield _no_show(policy, session, person, up_at)
    yield _somebody(policy, session, person or up_at, work, up_at)
    if session.extended_until is not None:
        yield _hold(
            session.extended_until, Mode.ACTIVE, words.more_time(), Reason.IDLE, words.idle_short()
        )


def _person(policy: Policy, session: Session) -> datetime | None:
    """When somebody last did something; the hub's opinion where that cannot be seen."""
    person = _known(session.human, policy.idle.unknown)
    if session.human.unknown_since is not None:
        person = _later(person, session.hub_activity_at)
    return person


def _hold(until: datetime, mode: Mode, because: Sentence, reason: Reason, ended: Sentence) -> Hold:
    return Hold(until, mode, because, reason, ended, words.AHEAD[reason])


def _no_show(policy: Policy, session: Session, person: datetime | None, up_at: datetime) -> Hold:
    """Every session has so long to be opened; also one that was, or opening it would end it sooner."""
    until = up_at + policy.idle.no_show
    if person is None and session.tab_open is False and session.tab_closed_at is None:
        ended = words.no_show(words.minutes(policy.idle.no_show))
        return _hold(until, Mode.NO_SHOW, words.no_show_yet(), Reason.NO_SHOW, ended)
    return _hold(until, Mode.ACTIVE, words.just_opened(), Reason.IDLE, words.idle_short())


def _somebody(
    policy: Policy, session: Session, person: datetime, work: list[Hold], up_at: datetime
) -> Hold:
    """Somebody used it; work that ended soon after counts as being watched."""
    limits = policy.idle
    worked = max((one.until - limits.work_done for one in work), default=person)
    last = max(person, min(worked, person + limits.attended))
    until, limit = last + limits.with_tab, limits.with_tab
    if session.class_until is not None and session.class_until > until:
        until = min(last + max(limits.in_class, limits.with_tab), session.class_until)
        limit = max(limits.in_class, limits.with_tab)
    if session.tab_open is False:
        # Without any tab, ever, nothing was closed that could be opened again.
        closed = session.tab_closed_at or up_at
        soon = max(last + limits.without_tab, closed + limits.tab_grace)
        if soon < until:
            until, limit = soon, limits.without_tab
    unseen = session.human.unknown_since is not None
    told = words.minutes(limit)
    return _hold(
        until,
        Mode.UNKNOWN if unseen else Mode.ACTIVE,
        words.unseen() if unseen else words.used(told),
        Reason.IDLE,
        words.idle(told),
    )


def _work(policy: Policy, session: Session, person: datetime) -> list[Hold]:
    """What works, each kind up to its cap, counted from the last stronger sign that it is wanted."""
    limits, found, wanted = policy.idle, [], person
    kinds = (
        (session.gpu, limits.gpu, words.gpu_works()),
        (session.processor, limits.processor, words.processor_works()),
        (session.kernel, limits.kernel, words.kernel_works()),
    )
    for signal, cap, because in kinds:
        active = _known(signal, limits.unknown)
        if active is None:
            continue
        credited = min(active, wanted + cap)
        capped = credited < active
        reason = Reason.UNATTENDED if capped else Reason.WORK_DONE
        found.append(
            _hold(
                credited + limits.work_done,
                Mode.UNKNOWN if signal.unknown_since is not None else Mode.WORKING,
                words.unseen() if signal.unknown_since is not None else because,
                reason,
                words.unattended(cap) if capped else words.work_done(),
            )
        )
        wanted = max(wanted, credited)
    return found


def _lease(policy: Policy, session: Session) -> list[Hold]:
    """The student asked it to go on, and it works: one hold, or none."""
    if session.lease_until is None:
        return []
    limits = policy.idle
    worked = _later(_known(session.gpu, limits.unknown), _known(session.processor, limits.unknown))
    if worked is None:
        return []
    until = min(session.lease_until, worked + limits.lease_window)
    return [_hold(until, Mode.WORKING, words.lease(), Reason.WORK_DONE, words.work_done())]


def _known(signal: Signal, patience: timedelta) -> datetime | None:
    """When it was last active; what cannot be seen is taken for active, but not for ever."""
    if signal.unknown_since is None:
        return signal.active_at
    return _later(signal.active_at, signal.unknown_since + patience)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one or other
    return max(one, other)

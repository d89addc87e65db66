"""Whether what runs may run on: when its credit ends, whom to warn, and when to stop. Pure and total.

The end is where no more is left than what a stop takes (`money.stop_reserve`), so whoever is
stopped there ends at 0 or above. A limit per day is an end like that of the credit: whichever comes
first. Nothing is stopped at the first look that says so: a second one, a few seconds later, has to
agree, and one after a restart or a jump of the clock is the first again.

When a student's own credit ends, the pool pays for a while, once a day: the **grace**.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from gpuspawner.language import Sentence
from gpuspawner.model import Reason
from gpuspawner.policy import credit_sentences as sentences
from gpuspawner.policy.credit_rules import CreditRules
from gpuspawner.policy.money import Rate, hold_for, runs_for, stop_reserve

CONFIRM = 5
"""Seconds until a second look has to agree, if that is no longer than a tick."""

_RESUME = 60
"""Whose credit lasts at least so many seconds pays again, after a grace."""


class Act(str, enum.Enum):
    """What to do. `GRACE`: the pool pays from now on; `RESUME`: the student pays again."""

    KEEP = "keep"
    GRACE = "grace"
    RESUME = "resume"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Session:
    """One machine that runs, and is wanted. Times in UTC seconds, amounts in micros.

    `account` is the student's, whoever pays; `held` what is left of the session's own hold, which is
    `lasting` once it no longer ends with the time that a start is given.
    """

    claim: str
    generation: int
    account: int
    rate: Rate
    by_student: bool = True
    hold: str = ""
    held: int = 0
    lasting: bool = True


@dataclass(frozen=True, slots=True)
class Wallet:
    """What a student has. `live` is the balance less what is used and not charged yet.

    `promised` is held for other starts. `rates` are those of all that the account pays for now.
    `grace_until` is when the grace of the present session ends, None without one.
    """

    live: int
    promised: int = 0
    rates: tuple[Rate, ...] = ()
    today: int = 0
    grace_used: bool = False
    grace_until: int | None = None


@dataclass(frozen=True, slots=True)
class Books:
    """What is known at one moment: the sessions, what pays for them, and what the day has used.

    `charge` and `cost` are the rates of everything that is metered, in the two books.
    """

    unit: str
    midnight: int
    sessions: tuple[Session, ...] = ()
    wallets: Mapping[int, Wallet] = field(default_factory=dict)
    pool: int = 0
    course_today: int = 0
    hub_today: int = 0
    charge: tuple[Rate, ...] = ()
    cost: tuple[Rate, ...] = ()


@dataclass(frozen=True, slots=True)
class Memory:
    """What the last look at a session came to: the warning it was given, and whether it was to end."""

    warned: int | None = None
    told: Sentence | None = None
    ending: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with a session, and what its student is told.

    `deadline` is when it is stopped if nothing changes, in UTC seconds; `warned` the seconds before
    it of the last warning that is due. `reason` and `sentence` are of the stop or of the warning.
    """

    act: Act = Act.KEEP
    deadline: int | None = None
    reason: Reason | None = None
    warned: int | None = None
    sentence: Sentence | None = None
    again_at: int | None = None
    memory: Memory = field(default_factory=Memory)


def decide(session: Session, books: Books, rules: CreditRules, before: Memory, now: int) -> Verdict:
    """What to do with one session at `now`; `before` is what the last look remembered."""
    wallet = books.wallets.get(session.account, Wallet(0))
    in_grace = not session.by_student and wallet.grace_until is not None
    if in_grace and _could_pay(session, wallet, rules, now):
        return Verdict(Act.RESUME, again_at=now + min(CONFIRM, rules.tick))
    found = [end for end in _ends(session, wallet, books, rules, now) if end is not None]
    if not found:
        return Verdict()
    deadline, reason = min(found, key=lambda end: end[0])
    left = max(0, deadline - now)
    warned = _warned(left, rules, before)
    told = before.told if warned == before.warned else _warning(reason, left, in_grace)
    told = None if warned is None else told
    if left > 0:
        return Verdict(
            deadline=deadline,
            reason=reason if warned is not None else None,
            warned=warned,
            sentence=told,
            again_at=_crossing(deadline, rules, now),
            memory=Memory(warned, told),
        )
    memory = Memory(warned, told, ending=True)
    if not before.ending:
        return Verdict(
            Act.KEEP,
            deadline,
            reason,
            warned,
            told,
            again_at=now + min(CONFIRM, rules.tick),
            memory=memory,
        )
    if reason is Reason.CREDIT and _may_have_grace(session, wallet, books, rules):
        return Verdict(Act.GRACE, deadline, reason, again_at=now + min(CONFIRM, rules.tick))
    stopped = sentences.credit_ended() if reason is Reason.CREDIT else sentences.limit_reached()
    return Verdict(Act.STOP, deadline, reason, warned, stopped, memory=memory)


def top_ups(books: Books, rules: CreditRules) -> Iterator[tuple[str, int]]:
    """The holds that are to be filled up again, and to how much. Not at every look: it is a write."""
    for session in books.sessions:
        full = hold_for(
            session.rate.continued(), session=rules.session, tick=rules.tick, latency=rules.latency
        )
        if session.by_student and session.hold and (not session.lasting or session.held * 2 < full):
            yield session.hold, full


def reserve(rules: CreditRules, *rates: Rate) -> int:
    """What is kept for stopping what runs at these rates, in micros."""
    return stop_reserve(*rates, tick=rules.tick, latency=rules.latency)


def lasts(left: int, rules: CreditRules, *rates: Rate) -> int | None:
    """For how many seconds `left` micros pay all these rates until the stop; None for ever.

    What people are told and what they are stopped by is this one figure.
    """
    return runs_for(max(0, left - reserve(rules, *rates)), *rates)


def grace_costs(rules: CreditRules, *rates: Rate) -> int:
    """What a grace costs the pool, in micros, rounded up."""
    seconds = round(rules.grace.total_seconds())
    return hold_for(*rates, session=seconds, tick=rules.tick, latency=rules.latency)


def _ends(
    session: Session, wallet: Wallet, books: Books, rules: CreditRules, now: int
) -> Iterator[tuple[int, Reason] | None]:
    if session.by_student:
        yield _end(wallet.live - wallet.promised, wallet.rates, rules, now, Reason.CREDIT)
    elif wallet.grace_until is not None:
        yield wallet.grace_until, Reason.CREDIT
    fuses = rules.fuses
    if not fuses.stop:
        return
    for limit, used, rates in (
        (fuses.student if session.by_student else None, wallet.today, wallet.rates),
        (fuses.course, books.course_today, books.charge),
        (fuses.hub, books.hub_today, books.cost),
    ):
        end = None if limit is None else _end(limit - used, rates, rules, now, Reason.LIMIT)
        # At midnight it begins anew.
        yield end if end is not None and end[0] < books.midnight else None


def _end(
    left: int, rates: tuple[Rate, ...], rules: CreditRules, now: int, reason: Reason
) -> tuple[int, Reason] | None:
    """When no more of `left` is there than what a stop takes."""
    seconds = lasts(left, rules, *(rate.continued() for rate in rates))
    return None if seconds is None else (now + seconds, reason)


def _could_pay(session: Session, wallet: Wallet, rules: CreditRules, now: int) -> bool:
    rates = (*wallet.rates, session.rate)
    end = _end(wallet.live - wallet.promised, rates, rules, now, Reason.CREDIT)
    return end is None or end[0] - now >= _RESUME


def _may_have_grace(session: Session, wallet: Wallet, books: Books, rules: CreditRules) -> bool:
    costs = grace_costs(rules, session.rate.continued())
    return (
        session.by_student
        and not wallet.grace_used
        and rules.grace.total_seconds() > 0
        and books.pool >= costs
    )


def _warned(left: int, rules: CreditRules, before: Memory) -> int | None:
    """The last warning that is due. One that was given stays until clearly more is left again."""
    lengths = [round(one.total_seconds()) for one in rules.warnings]
    due = min((length for length in lengths if left <= length), default=None)
    if before.warned is None or (due is not None and due <= before.warned):
        return due
    return before.warned if left <= before.warned * Fraction(6, 5) else due


def _crossing(deadline: int, rules: CreditRules, now: int) -> int:
    """The next moment at which something would be told or done."""
    moments = [deadline - round(one.total_seconds()) for one in rules.warnings]
    return min((moment for moment in moments if moment > now), default=deadline)


def _warning(reason: Reason, left: int, in_grace: bool) -> Sentence:
    if reason is Reason.LIMIT:
        return sentences.limit_near(left)
    return sentences.grace(left) if in_grace else sentences.credit_near(left)

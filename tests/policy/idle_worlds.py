"""Short words for sessions in the tests of the rule about idle machines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import strategies as st

from gpuspawner.model import Reason
from gpuspawner.policy.idle import Kind, Verdict, decide
from gpuspawner.policy.session import IdleLimits, Policy, Session, SessionLimits, Signal, Warned
from tests.policy.worlds import NOON

POLICY = Policy()


def at(minutes: float) -> datetime:
    """So many minutes after the machine was started, at noon."""
    return NOON + timedelta(minutes=minutes)


def signal(active: float | None = None, unknown: float | None = None) -> Signal:
    return Signal(None if active is None else at(active), None if unknown is None else at(unknown))


def session(human: float | None = 60, **changes) -> Session:
    """Started at noon, up after four minutes, last used `human` minutes after noon, page open."""
    base = Session(started_at=NOON, up_at=at(4), human=signal(human), tab_open=bool(human))
    return replace(base, **changes)


def closed(minutes: float) -> dict:
    return {"tab_open": False, "tab_closed_at": at(minutes)}


def told(reason: Reason, since: datetime) -> tuple[Warned, ...]:
    """The one warning that was given before."""
    return (Warned(reason, since),)


def ends(one: Session, policy: Policy = POLICY) -> float:
    """When it stops if nothing happens any more, in minutes after noon, asked as a culler does."""
    *_, (now, _verdict) = looks(one, policy)
    return (now - NOON).total_seconds() / 60


def looks(one: Session, policy: Policy = POLICY) -> Iterator[tuple[datetime, Verdict]]:
    """Every look and its verdict until the stop, when nothing happens any more."""
    now = one.started_at
    for _ in range(200):
        verdict = decide(policy, one, now)
        yield now, verdict
        if verdict.kind in (Kind.SAVE_AND_STOP, Kind.STOP_NOW):
            return
        one, now = replace(one, warned=verdict.warned), verdict.next_change_at
    raise AssertionError("it never ends")


minutes = st.integers(0, 3000).map(lambda n: n / 2)
moments = minutes.map(at)
signals = st.builds(Signal, st.none() | moments, st.none() | moments)
lengths = st.integers(0, 2880).map(lambda n: timedelta(minutes=n / 2))

policies = st.builds(
    Policy,
    st.builds(
        IdleLimits,
        **dict.fromkeys(
            (
                *("with_tab", "without_tab", "tab_grace", "in_class", "no_show", "attended"),
                *("work_done", "gpu", "processor", "kernel", "unknown", "lease_window"),
                *("warning", "minimum"),
            ),
            lengths,
        ),
    ),
    st.builds(
        SessionLimits,
        longest=lengths,
        longest_with_work=lengths,
        warning=lengths,
        nightly=st.none() | st.times(),
    ),
    lengths,
)

sessions = st.builds(
    Session,
    started_at=moments,
    up_at=st.none() | moments,
    human=signals,
    gpu=signals,
    processor=signals,
    kernel=signals,
    tab_open=st.none() | st.booleans(),
    tab_closed_at=st.none() | moments,
    hub_activity_at=st.none() | moments,
    class_until=st.none() | moments,
    held_until=st.none() | moments,
    lease_until=st.none() | moments,
    extended_until=st.none() | moments,
    warned=st.just(()),
    heard=st.booleans(),
)
"""Any session at all, also one that cannot be."""

running = sessions.map(lambda one: replace(one, up_at=one.up_at or one.started_at, held_until=None))

"""Short words for sessions in the tests of the rule about idle machines."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import strategies as st

from gpuspawner.policy.idle import Verdict, decide
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


def warned(verdict: Verdict, since: float) -> Warned:
    return Warned(verdict.reason, at(since))


def ends(one: Session, policy: Policy = POLICY) -> float:
    """When it stops if nothing happens any more, in minutes after noon, asked as a culler does."""
    now = one.started_at
    for _ in range(200):
        verdict = decide(policy, one, now)
        if verdict.kind.value in ("save_and_stop", "stop_now"):
            return (now - NOON).total_seconds() / 60
        if verdict.kind.value == "warn":
            same = one.warned and one.warned.reason is verdict.reason
            one = one if same else replace(one, warned=Warned(verdict.reason, now))
        else:
            one = replace(one, warned=None)
        # With the warning written down, the answer may be another one.
        now = decide(policy, one, now).next_change_at
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
    warned=st.none(),
    heard=st.booleans(),
)
"""Any session at all, also one that cannot be."""

running = sessions.map(lambda one: replace(one, up_at=one.up_at or one.started_at, held_until=None))

"""From what a machine says of itself to what the rule about idle machines knows. Pure.

The student may be root there. So every age is taken from when the controller heard it, nothing
lies in the future or before the session, and nothing here can put off an end that an admin sets.
What cannot be seen is not zero: it is unknown, since it was last seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from gpuspawner.model import Claim, Machine, Reason
from gpuspawner.policy.session import IdleLimits, Session, Signal, Warned

SILENCE = timedelta(seconds=90)
"""A machine that has said nothing for so long does not answer: several heartbeats are missing."""

STALE = timedelta(seconds=120)
"""So old may be what the Jupyter server has written; it writes several times a minute."""

_SIGNALS = ("human", "gpu", "processor", "kernel")


@dataclass(frozen=True, slots=True)
class Facts:
    """What one heartbeat says, checked and bounded. Ages in seconds; None is "cannot be seen".

    `server_age` is how old the rest of what the Jupyter server says is: `human_age` (None: never),
    the number of `busy` kernels and of `tabs`, and `closed_age`, since the last tab was closed.
    `gpus` has each GPU's mean utilisation in percent over five minutes, and is empty where there is
    none; `processor` is the same of the student's processes in percent of one core, and `child`
    whether something runs in a terminal. `typed_age` is since when nobody has typed over SSH.
    """

    server_age: float | None = None
    human_age: float | None = None
    busy: int | None = None
    tabs: int | None = None
    closed_age: float | None = None
    gpus: tuple[float | None, ...] | None = None
    processor: float | None = None
    child: bool | None = None
    typed_age: float | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """What was seen of one session until `heard_at`, None when nothing was heard."""

    heard_at: datetime | None = None
    human: Signal = field(default_factory=Signal)
    gpu: Signal = field(default_factory=Signal)
    processor: Signal = field(default_factory=Signal)
    kernel: Signal = field(default_factory=Signal)
    tab_open: bool | None = None
    tab_closed_at: datetime | None = None

    @classmethod
    def nothing(cls, since: datetime) -> Observed:
        """Before anything was heard: everything is unknown."""
        unknown = Signal(None, since)
        return cls(None, unknown, unknown, unknown, unknown)

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "heard_at": _text(self.heard_at),
            "tab_open": self.tab_open,
            "tab_closed_at": _text(self.tab_closed_at),
            **{
                name: [_text(signal.active_at), _text(signal.unknown_since)]
                for name in _SIGNALS
                for signal in (getattr(self, name),)
            },
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Observed:
        """What `to_json` wrote."""
        signals = {name: Signal(*map(_moment, data[name])) for name in _SIGNALS}
        return cls(
            heard_at=_moment(data["heard_at"]),
            tab_open=data["tab_open"],
            tab_closed_at=_moment(data["tab_closed_at"]),
            **signals,
        )


def observe(
    before: Observed, facts: Facts, limits: IdleLimits, since: datetime, now: datetime
) -> Observed:
    """What is known after one more heartbeat.

    Args:
        before: what was known.
        facts: what it says.
        limits: from which use on a GPU or a processor works.
        since: when the session was up; nothing of it is older.
        now: when it was heard.
    """
    fresh = facts.server_age is not None and facts.server_age <= STALE.total_seconds()
    written = now - timedelta(seconds=facts.server_age or 0.0)

    def ago(age: float | None, of: datetime) -> datetime | None:
        return None if age is None else min(max(of - timedelta(seconds=age), since), now)

    human = _later(ago(facts.human_age, written) if fresh else None, ago(facts.typed_age, now))
    busy = facts.busy if fresh else None
    tabs = facts.tabs if fresh else None
    processor = facts.processor is not None and facts.processor >= limits.processor_floor
    processes = processor or bool(facts.child)
    return Observed(
        heard_at=now,
        human=_signal(before.human, human, known=fresh, now=now),
        gpu=_signal(
            before.gpu,
            now if any((one or 0.0) >= limits.gpu_floor for one in facts.gpus or ()) else None,
            known=facts.gpus is not None and None not in facts.gpus,
            now=now,
        ),
        processor=_signal(
            before.processor,
            now if processes else None,
            known=facts.processor is not None,
            now=now,
        ),
        kernel=_signal(before.kernel, now if busy else None, known=busy is not None, now=now),
        tab_open=None if tabs is None else tabs > 0,
        tab_closed_at=ago(facts.closed_age, written) if fresh else before.tab_closed_at,
    )


def joined(before: Observed, after: Observed) -> Observed:
    """What is known when `after` was heard without knowing of `before`."""
    signals = {
        name: replace(
            getattr(after, name),
            active_at=_later(getattr(before, name).active_at, getattr(after, name).active_at),
        )
        for name in _SIGNALS
    }
    return replace(after, **signals)


def is_heard(observed: Observed, now: datetime) -> bool:
    """Whether the machine answers."""
    return observed.heard_at is not None and now - observed.heard_at <= SILENCE


def session_of(
    claim: Claim,
    machine: Machine | None,
    observed: Observed,
    now: datetime,
    *,
    hub_activity_at: datetime | None = None,
    class_until: datetime | None = None,
    held_until: datetime | None = None,
    lease_until: datetime | None = None,
    extended_until: datetime | None = None,
    warned: Iterable[Warned] = (),
) -> Session:
    """What the rule is asked about.

    What is not heard of any more is unknown since it was last heard of.
    """
    heard = is_heard(observed, now)
    signals = {name: getattr(observed, name) for name in _SIGNALS}
    if not heard and observed.heard_at is not None:
        lost = observed.heard_at
        signals = {
            name: signal if signal.unknown_since else replace(signal, unknown_since=lost)
            for name, signal in signals.items()
        }
    return Session(
        started_at=min(_began(claim, machine), now),
        up_at=claim.up_at and min(claim.up_at, now),
        tab_open=observed.tab_open if heard else None,
        tab_closed_at=observed.tab_closed_at,
        hub_activity_at=hub_activity_at and min(hub_activity_at, now),
        class_until=class_until,
        held_until=held_until,
        lease_until=lease_until,
        extended_until=extended_until,
        warned=tuple(warned),
        heard=heard,
        **signals,
    )


def _began(claim: Claim, machine: Machine | None) -> datetime:
    """When it began to cost: by the cloud's word, that of an adopted session too."""
    powered = machine.powered_at if machine else None
    if powered is None:
        return claim.desired_at
    return powered if claim.reason is Reason.ADOPTED else max(powered, claim.desired_at)


def _signal(before: Signal, active: datetime | None, *, known: bool, now: datetime) -> Signal:
    at = _later(before.active_at, active)
    return Signal(at, None if known or active else before.unknown_since or now)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one or other
    return max(one, other)


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None

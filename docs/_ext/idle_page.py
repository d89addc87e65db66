"""The table of cases of the rule about idle machines; `tests/policy/test_idle.py` holds it to the rule.

All times are minutes after the machine was started. It is up after 4, and the limits are the defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from gpuspawner.model import Reason
from gpuspawner.policy.session import IdleLimits, Session, Signal

START = datetime(2026, 3, 2, 9, tzinfo=timezone.utc)


def at(minutes: float) -> datetime:
    """So many minutes after the start."""
    return START + timedelta(minutes=minutes)


def active(minutes: float) -> Signal:
    """Last active then."""
    return Signal(at(minutes))


def lost(active_at: float, since: float) -> Signal:
    """Last active then, and not to be seen since."""
    return Signal(at(active_at), at(since))


@dataclass(frozen=True)
class Case:
    """What happened, and when it ends for what reason if nothing more happens. `kept` is forever."""

    words: str
    stops: float
    reason: Reason
    facts: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "save_and_stop"
    looked: float | None = None
    """From when on it was looked at; None: since the last thing that happened."""

    def session(self) -> Session:
        """The facts as the rule is handed them."""
        return Session(**{"started_at": START, "up_at": at(4), "tab_open": True, **self.facts})


_AWAY = {"tab_open": False}
_GONE = {"tab_open": False, "tab_closed_at": at(60)}

CASES = (
    Case("Nobody ever opened it.", 19, Reason.NO_SHOW, _AWAY),
    Case("Opened, and nothing was done in it.", 34, Reason.IDLE),
    Case("Last used at 60, the page stays open.", 90, Reason.IDLE, {"human": active(60)}),
    Case("Last used at 60, the page was closed.", 75, Reason.IDLE, {"human": active(60), **_GONE}),
    Case(
        "Last used at 40, the page was closed at 60: it is warned of in full.",
        65, Reason.IDLE, {"human": active(40), **_GONE},
    ),
    Case(
        "Whether a page is open is not known: as if one were.",
        90, Reason.IDLE, {"human": active(60), "tab_open": None},
    ),
    Case(
        "Last used at 60, the page open, in a class until 110.",
        105, Reason.IDLE, {"human": active(60), "class_until": at(110)},
    ),
    Case(
        "Last used at 60, the page open, in a class until 95.",
        95, Reason.IDLE, {"human": active(60), "class_until": at(95)},
    ),
    Case(
        "A cell was started at 60 and ran for 20 minutes, the page open.",
        110, Reason.IDLE,
        {"human": active(60), "kernel": active(80), "processor": active(80)},
    ),
    Case(
        "A training was started at 60 and used the GPU until 300; the page open or not.",
        313, Reason.WORK_DONE, {"human": active(60), "gpu": active(300)},
    ),
    Case(
        "The same, and after the GPU the processor worked until 340.",
        353, Reason.WORK_DONE,
        {"human": active(60), "gpu": active(300), "processor": active(340), **_GONE},
    ),
    Case(
        "The GPU has worked since 60 without end, and nobody asked for it.",
        793, Reason.UNATTENDED, {"human": active(60), "gpu": active(2000), **_GONE},
    ),
    Case(
        "The same, and “Go on until my work is done” was pressed at 60.",
        1300, Reason.WORK_DONE,
        {"human": active(60), "gpu": active(2000), "lease_until": at(1300), **_GONE},
    ),
    Case(
        "The processor has worked since 60 without end: an endless loop, perhaps.",
        163, Reason.UNATTENDED, {"human": active(60), "processor": active(500), **_GONE},
    ),
    Case(
        "A cell has waited for input since 60, and nothing computes.",
        110, Reason.IDLE, {"human": active(60), "kernel": active(500)},
    ),
    Case(
        "The same with the page closed.",
        95, Reason.IDLE, {"human": active(60), "kernel": active(500), **_GONE},
    ),
    Case(
        "A framework holds all of the GPU's memory and computes nothing: no signal.",
        75, Reason.IDLE, {"human": active(60), **_GONE},
    ),
    Case(
        "The GPU cannot be seen since 60; before, it worked.",
        105, Reason.IDLE, {"human": active(60), "gpu": lost(60, 60), **_GONE},
    ),
    Case(
        "The machine does not answer since 60: nothing can be saved on it.",
        120, Reason.IDLE,
        {
            "human": lost(60, 60), "gpu": lost(60, 60), "tab_open": None, "heard": False,
        },
        kind="stop_now",
    ),
    Case(
        "“Keep running” was pressed at 85, for half an hour; the page was closed.",
        120, Reason.IDLE, {"human": active(85), "extended_until": at(120), **_GONE},
    ),
    Case(
        "Somebody works in it all day and leaves a training at 700 that ends at 1000.",
        1013, Reason.WORK_DONE, {"human": active(700), "gpu": active(1000), **_GONE},
    ),
    Case(
        "The machine says without end that somebody is there and that the GPU works.",
        1440, Reason.LONGEST_SESSION, {"human": active(2000), "gpu": active(2000)}, looked=0,
    ),
    Case(
        "Somebody works in it all the time, and nothing computes.",
        720, Reason.LONGEST_SESSION, {"human": active(719)}, looked=0,
    ),
)  # fmt: skip


def idle_cases() -> str:
    """The table: what happened, when it is stopped, and the reason that is kept."""
    rows = [f"| {one.words} | {one.stops:g} | `{one.reason.value}` |" for one in CASES]
    return "\n".join(["| what happened | stops at | reason |", "|---|---|---|", *rows])


def idle_limits() -> str:
    """What the table assumes, in minutes."""
    limits = IdleLimits()
    shown = {
        "page open": limits.with_tab,
        "no page": limits.without_tab,
        "in class": limits.in_class,
        "no show": limits.no_show,
        "after unattended work": limits.work_done,
        "GPU alone": limits.gpu,
        "processor alone": limits.processor,
        "busy kernel alone": limits.kernel,
        "lost signal": limits.unknown,
        "warning": limits.warning,
    }
    return ", ".join(f"{name} {length.total_seconds() / 60:g}" for name, length in shown.items())

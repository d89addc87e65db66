"""How the figures of the shipped rule move when one default or one assumption moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from gpuspawner.policy.session import Policy
from gpuspawner.simulation import draw
from gpuspawner.simulation.assumptions import Assumptions
from gpuspawner.simulation.report import Line, line, play_all
from gpuspawner.simulation.rules import Rule
from gpuspawner.simulation.run import Outcome
from gpuspawner.simulation.shipped import Shipped


@dataclass(frozen=True)
class Change:
    """One thing that is otherwise than by default."""

    name: str
    assumed: Assumptions
    rule: Rule


def changes(assumed: Assumptions, policy: Policy) -> list[Change]:
    """All that are tried: the defaults as they are first, then limits, then assumptions."""
    classes = draw.labs(assumed)

    def idle(name: str, **limits: float) -> Change:
        lengths: dict[str, Any] = {key: timedelta(minutes=value) for key, value in limits.items()}
        other = replace(policy, idle=replace(policy.idle, **lengths))
        return Change(name, assumed, Shipped(other, classes))

    def floor(percent: float) -> Change:
        other = replace(policy, idle=replace(policy.idle, gpu_floor=percent))
        return Change(f"gpu_floor {percent:g} %", assumed, Shipped(other, classes))

    def longest(hours: float) -> Change:
        length = timedelta(hours=hours)
        limits = replace(policy.session, longest=length, longest_with_work=max(length, 2 * length))
        other = replace(policy, session=limits)
        return Change(
            f"longest {hours:g} h, {2 * hours:g} h with work", assumed, Shipped(other, classes)
        )

    def world(name: str, value: float) -> Change:
        values: dict[str, Any] = {name: value}
        other = replace(assumed, **values)
        return Change(f"{name} {value:g}", other, Shipped(policy, draw.labs(other)))

    found = [Change("as it is", assumed, Shipped(policy, classes))]
    for page, none in ((5.5, 5.5), (10, 8), (15, 8), (20, 10), (45, 20), (60, 30)):
        limit = f"with_tab_timeout {page:g} min, without_tab_timeout {none:g} min"
        found.append(idle(limit, with_tab=page, without_tab=none, in_class=max(page, 45)))
    found += [
        idle("without_tab_timeout as with a page", without_tab=30),
        idle("in_class_timeout 30 min: off", in_class=30),
        idle("work_done_timeout 6 min", work_done=6),
        idle("work_done_timeout 30 min", work_done=30),
        idle("attended_work 0", attended=0),
        idle("attended_work 60 min", attended=60),
        idle("gpu_cap 4 h", gpu=4 * 60),
        idle("gpu_cap 3 d", gpu=3 * 1440),
        idle("processor_cap 1 min", processor=1),
        idle("processor_cap 12 h", processor=720),
        idle("kernel_cap 1 min", kernel=1),
        idle("kernel_cap 12 h", kernel=720),
        floor(5),
        floor(10),
        floor(101),
        longest(6),
        longest(48),
        Change("nobody is warned", assumed, Shipped(policy, classes, warns=False)),
        Change("nobody asks it to go on", assumed, Shipped(policy, classes, lease=False)),
    ]
    for name, values in _WORLDS.items():
        found += [world(name, value) for value in values]
    return found


_WORLDS = {
    "p_forget": (0.1, 0.25, 0.7),
    "p_page_stays_open": (0.1, 0.8),
    "p_training_free": (0.0, 0.3),
    "p_training_silent": (0.0, 1.0),
    "p_training_low_gpu": (0.0, 1.0),
    "sitting_median": (40.0, 120.0),
    "p_notices_warning": (0.0, 0.5, 1.0),
    "p_thinks": (0.05, 0.3),
}


def sweep(
    assumed: Assumptions, policy: Policy, seeds: Sequence[int], workers: int = 1
) -> list[Line]:
    """A line for each change; its `rule` is the change's name.

    Changes of limits are played on the same terms, so their differences are the limits' alone.
    """
    tried = changes(assumed, policy)
    jobs = [(one.assumed, {one.name: one.rule}, seed) for seed in seeds for one in tried]
    found: dict[str, list[Outcome]] = {one.name: [] for one in tried}
    for term in play_all(jobs, workers):
        for name, outcome in term.items():
            found[name].append(outcome)
    return [line(one.assumed, one.name, found[one.name]) for one in tried]

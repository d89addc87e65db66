"""What to do next, from what is wanted and what is there. Pure, level-triggered, total.

`TABLE` is the rule: the wish down, the power across. The rest of this module finds the row and the
column of a claim, and fills in with what (which placement, which home) the action is taken.
A crash at any moment loses nothing, because the same plan is made again from what is then seen.

The caller lists the cloud first and reads the claims second. The other way round, a machine made
between the two would be listed without its claim being known, and be taken for an orphan.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TypeVar

from gpuspawner.language import Sentence
from gpuspawner.model import Power, World
from gpuspawner.policy.absence import observe
from gpuspawner.policy.claim_plan import ClaimPlan
from gpuspawner.policy.orphans import leftovers, orphans
from gpuspawner.policy.steps import Known, Limits, Plan, Step
from gpuspawner.policy.table import TABLE, Action, Wish

__all__ = ["TABLE", "Action", "Known", "Limits", "Plan", "Step", "Wish", "plan"]

_T = TypeVar("_T")


def plan(known: Known, world: World, now: datetime, limits: Limits | None = None) -> Plan:
    """The next step of every claim, and what to do with machines that have none."""
    limits = limits or Limits()
    absences = observe(known.absences, known.claims, known.intents, world)
    machines = _by_claim(world.machines, lambda machine: machine.claim)
    homes = _by_claim(world.homes, lambda home: known.grants.get(home.id, home.claim))
    fragments = _by_claim(world.fragments, lambda fragment: fragment.claim)
    steps: list[Step] = []
    alarms: list[Sentence] = []
    again: list[datetime] = []
    doubted: list[Step] = []
    for claim in known.claims:
        one = ClaimPlan(claim, known, now, limits, absences.get(claim.name))
        made = one.steps(machines[claim.name], homes[claim.name], fragments[claim.name])
        steps += (step for step in made if not _unwrites(step, known))
        alarms += one.alarms
        again += one.again
        doubted += one.doubted
    names = {claim.name for claim in known.claims}
    strange, strange_alarms = orphans(world, names, now, limits, doubted)
    left = leftovers(world.fragments, names, now, limits)
    return Plan(
        (*steps, *strange, *left), (*alarms, *strange_alarms), absences, min(again, default=None)
    )


def _unwrites(step: Step, known: Known) -> bool:
    """Whether the cloud would forget, by this step, how long a machine ran that is off by now.

    A cloud tells of the last start and the last stop alone. Until those are in the books, a crash
    would lose them. This holds up what begins a bill or tidies up, never what ends a bill.
    """
    machine = step.machine
    if known.accounted is None or machine is None or machine.power is not Power.STOPPED:
        return False
    erases = step.action in (Action.START, Action.DELETE)
    return erases and (machine.id, machine.powered_at) not in known.accounted


def _by_claim(
    things: Iterable[_T], claim: Callable[[_T], str | None]
) -> Mapping[str | None, list[_T]]:
    sorted_out: dict[str | None, list[_T]] = defaultdict(list)
    for thing in things:
        sorted_out[claim(thing)].append(thing)
    return sorted_out

"""What the plan would do now, in words for the admin: what `gpuspawner status` shows. Pure.

It is the plan itself that is asked, claim by claim, so the words cannot differ from the deed.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from gpuspawner.language import Sentence, _, say
from gpuspawner.model import Claim, Desired, Machine, Power, World
from gpuspawner.policy.absence import Absence
from gpuspawner.policy.plan import plan
from gpuspawner.policy.steps import BILLED, Known, Limits, Plan, Step
from gpuspawner.policy.table import Action


@dataclass(frozen=True, slots=True)
class Next:
    """The next step: `again` is when the answer may change by itself, None when it does not."""

    action: Action
    sentence: Sentence
    again: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outlook:
    """The next step of each claim, and of each machine that no claim names."""

    claims: Mapping[str, Next]
    strangers: tuple[tuple[Machine, Next], ...]


def outlook(known: Known, world: World, now: datetime, limits: Limits | None = None) -> Outlook:
    """What the plan would do now, from the listing that the last plan was made of."""
    limits = limits or Limits()
    # This listing was counted when that plan was made, and is not a further one.
    before = {name: Absence(one.since, one.listings - 1) for name, one in known.absences.items()}
    known = replace(known, absences=before)
    made = plan(known, world, now, limits)
    return Outlook(
        _of_claims(known, world, now, limits, made),
        tuple(_of_strangers(known, world, now, limits, made)),
    )


def _of_claims(
    known: Known, world: World, now: datetime, limits: Limits, made: Plan
) -> dict[str, Next]:
    named = {claim.name: claim.machine_id for claim in known.claims}
    steps: dict[str, Step] = {}
    for step in made.steps:
        # What is done to a second machine of a claim is that machine's own line.
        second = step.machine and step.machine.id != named.get(step.claim)
        if not (second and step.action in (Action.STOP, Action.DELETE)):
            steps.setdefault(step.claim, step)
    pieces = _by_claim(known, world)
    found = {}
    for claim in known.claims:
        its = pieces.get(claim.name) or World(world.listed_at, gone=world.gone)
        # On its own, since a plan says only the earliest of all moments.
        again = plan(replace(known, claims=(claim,)), its, now, limits).look_again_at
        next_one = steps.get(claim.name)
        if next_one is not None:
            found[claim.name] = Next(next_one.action, _doing(next_one), again)
        else:
            machine = next((one for one in its.machines if one.id == claim.machine_id), None)
            waits = _waiting(claim, machine, absent=claim.name in made.absences)
            found[claim.name] = Next(Action.NOTHING, waits, again)
    return found


def _of_strangers(
    known: Known, world: World, now: datetime, limits: Limits, made: Plan
) -> Iterator[tuple[Machine, Next]]:
    steps = {step.machine.id: step for step in made.steps if step.machine}
    named = {claim.machine_id for claim in known.claims}
    for machine in world.machines:
        if machine.id in named:
            continue
        step = steps.get(machine.id)
        grace = machine.created_at + limits.orphan_grace
        if step is not None:
            yield machine, Next(step.action, _doing(step))
        elif machine.power not in BILLED:
            yield machine, Next(Action.NOTHING, say(_("Nothing: it is off.")))
        elif now < grace:
            yield machine, Next(Action.NOTHING, say(_("Wait whether somebody claims it.")), grace)
        else:
            waits = say(_("Nothing: too many seem to belong to nobody. An administrator decides."))
            yield machine, Next(Action.NOTHING, waits)


def billed_seconds(machine: Machine | None, now: datetime) -> float | None:
    """How long computing has been billed since the machine was last switched on.

    None when it is not billed now, or the cloud does not say since when.
    """
    if machine is None or machine.power not in BILLED or machine.powered_at is None:
        return None
    return max(0.0, (now - machine.powered_at).total_seconds())


def cost_micros(seconds: float, price_micros: int, minimum_seconds: int) -> int:
    """What so many seconds cost at an hourly price, in the same millionths; parts count as one."""
    return math.ceil(max(seconds, minimum_seconds) * price_micros / 3600)


def _by_claim(known: Known, world: World) -> Mapping[str | None, World]:
    """The listing in pieces, one for each claim; a home goes to the claim that it was given to."""
    machines, homes, fragments = defaultdict(list), defaultdict(list), defaultdict(list)
    for machine in world.machines:
        machines[machine.claim].append(machine)
    for home in world.homes:
        homes[known.grants.get(home.id, home.claim)].append(home)
    for fragment in world.fragments:
        fragments[fragment.claim].append(fragment)
    return {
        name: World(
            world.listed_at,
            tuple(machines[name]),
            tuple(homes[name]),
            tuple(fragments[name]),
            world.gone,
        )
        for name in machines.keys() | homes.keys() | fragments.keys()
    }


def _doing(step: Step) -> Sentence:
    """One step, as something to be done."""
    where = step.placement
    size, zone = (where.size, where.zone) if where else ("", "")
    machine = step.machine.id if step.machine else step.machine_id or ""
    thing = step.fragment.id if step.fragment else machine
    sentences = {
        Action.CREATE: say(_("Ask for a machine {size} in {zone}."), size=size, zone=zone),
        Action.START: say(_("Start the machine as {size}."), size=size),
        Action.STOP: say(_("Stop {machine}."), machine=machine),
        Action.DELETE: say(_("Delete {thing}."), thing=thing),
        Action.ATTACH_HOME: say(_("Attach the home.")),
        Action.CREATE_HOME: say(_("Make a home in {zone}."), zone=zone),
        Action.END: say(_("End the session: it is over.")),
        Action.FORGET: say(_("Forget the claim: nothing of it is left.")),
        Action.ACCEPT: say(_("Note that {machine} is its machine."), machine=machine),
        Action.ABANDON: say(_("Give up a request for a machine that came to nothing.")),
        Action.ADOPT: say(_("Take {machine} over: its tags say whose it is."), machine=machine),
        Action.RELEASE: say(_("Note that {machine} is gone."), machine=machine),
    }
    return sentences[step.action]


def _waiting(claim: Claim, machine: Machine | None, *, absent: bool) -> Sentence:
    """Nothing is to be done now: because all is as it is wanted, or because something is under way."""
    if absent:
        return say(_("Wait until it is certain what became of the machine."))
    power = machine.power if machine else None
    if power in (Power.STOPPING, Power.DELETING):
        return say(_("Wait until the machine is off."))
    if claim.desired is not Desired.RUNNING:
        if power in (None, Power.STOPPED):
            return say(_("Nothing: it is off."))
        return say(_("Wait until the work is saved."))
    if claim.up_at is not None:
        return say(_("Nothing: the server runs."))
    if power is Power.PENDING:
        return say(_("Wait until the machine is on."))
    return say(_("Wait until the server reports that it is up."))

"""What belongs to nobody: machines and leftovers with this hub's tag that no claim knows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from gpuspawner.language import Sentence
from gpuspawner.model import Fragment, Power, World
from gpuspawner.policy import sentences
from gpuspawner.policy.steps import BILLED, Limits, Step
from gpuspawner.policy.table import Action


def orphans(
    world: World,
    claims: Iterable[str],
    now: datetime,
    limits: Limits,
    doubted: Iterable[Step] = (),
) -> tuple[list[Step], list[Sentence]]:
    """What is done about machines that nobody answers for, and what an admin should hear of it.

    Machines of this hub that no claim knows: adopted when their tags are whole, else stopped.

    Never deleted. And never many at once: when that many look like orphans, it is our own memory
    that is wrong, and stopping a class is the worse mistake. `doubted` are stops of known claims
    that count for the same reason.
    """
    known = set(claims)
    strangers = [
        machine
        for machine in world.machines
        if machine.claim not in known and now - machine.created_at >= limits.orphan_grace
    ]
    steps = [
        Step(Action.ADOPT, machine.claim, machine=machine)
        for machine in strangers
        if machine.claim and machine.owner_id and machine.power is not Power.DELETING
    ]
    adopted = {step.machine.id for step in steps if step.machine}
    stop = [
        *doubted,
        *(
            Step(Action.STOP, "", because=sentences.orphan(machine.id), machine=machine)
            for machine in strangers
            if machine.id not in adopted and machine.power in BILLED
        ),
    ]
    running = sum(machine.power is Power.RUNNING for machine in world.machines)
    if len(stop) > max(limits.orphan_stops, limits.orphan_share * running):
        return steps, [sentences.brake(len(stop), running)]
    return [*steps, *stop], [step.because for step in stop if step.because]


def leftovers(
    fragments: Iterable[Fragment], claims: Iterable[str], now: datetime, limits: Limits
) -> list[Step]:
    """Fragments of claims that nobody has any more. A home is never one."""
    known = set(claims)
    return [
        Step(Action.DELETE, "", because=sentences.leftover(fragment.id), fragment=fragment)
        for fragment in fragments
        if fragment.claim not in known and now - fragment.created_at >= limits.orphan_grace
    ]

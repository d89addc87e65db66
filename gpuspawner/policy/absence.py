"""When not being listed means being gone.

A listing can lag, and a request whose answer was lost can still be carried out. So a claim that
has reason to expect a machine (it names one, or has an open intent) and does not see it is
*absent*, and counts as without a machine only after several complete listings over a while. What
the cloud positively reports as deleted is gone at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from gpuspawner.model import Claim, Intent, World


@dataclass(frozen=True, slots=True)
class Absence:
    """Since when, and in how many complete listings, an expected machine was not seen."""

    since: datetime
    listings: int


def observe(
    before: Mapping[str, Absence],
    claims: Iterable[Claim],
    intents: Mapping[str, Intent],
    world: World,
) -> dict[str, Absence]:
    """The absences after one more complete listing, by claim."""
    ids = {machine.id for machine in world.machines} | world.gone
    made = {machine.intent for machine in world.machines}
    after: dict[str, Absence] = {}
    for claim in claims:
        intent = intents.get(claim.name)
        named = claim.machine_id is None or claim.machine_id in ids
        if named and (intent is None or intent.id in made):
            continue
        earlier = before.get(claim.name)
        after[claim.name] = (
            Absence(earlier.since, earlier.listings + 1) if earlier else Absence(world.listed_at, 1)
        )
    return after

"""Who pays for what: the student whose wish it is, or the course's pool."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from gpuspawner.model import Claim, Desired, Intent, Machine, Owner, World
from gpuspawner.policy.billed import Use
from gpuspawner.policy.money import Component, seconds_of

_START = "start"

_SKEW = 60
"""The cloud's clock may be behind ours by so many seconds: a machine starts before it is wished."""


class Payer(str, enum.Enum):
    """Who pays: the course's pool, or a student."""

    POOL = "pool"
    STUDENT = "student"


@dataclass(frozen=True, slots=True)
class MeteringPolicy:
    """How to meter. `storage_payer` pays for disks, homes and addresses, also while a machine is off.

    What is not listed counts as gone after `absent_listings` complete listings over `absent_for`.
    Everything is read every `settle_every`, and at each change. A student's balance never falls
    below `-max_overdraft` micros. Unless it is `enforced`, nothing stops it there, and what is written
    off is no alarm.
    """

    storage_payer: Payer = Payer.POOL
    absent_for: timedelta = timedelta(seconds=120)
    absent_listings: int = 3
    settle_every: timedelta = timedelta(seconds=300)
    max_overdraft: int = 0
    enforced: bool = True


def hold_ref(claim: str, generation: int) -> str:
    """The name of the hold of one start: admission places it, and the start's meter uses it up."""
    return f"{_START}:{claim}:{generation}"


def of_ref(ref: str) -> tuple[str, int] | None:
    """The claim and generation of a hold's name; None when it is not that of a start."""
    kind, _, rest = ref.partition(":")
    claim, _, generation = rest.rpartition(":")
    if kind != _START or not claim or not (generation.isascii() and generation.isdigit()):
        return None
    return claim, int(generation)


@dataclass(frozen=True, slots=True)
class Payers:
    """Finds the payer of a use. `people` are the hub's ids of users that the ledger has met."""

    claims: Mapping[str, Claim]
    intents: Mapping[str, Intent]
    people: Collection[str]
    policy: MeteringPolicy

    def of(self, use: Use) -> tuple[Owner | None, str | None]:
        """The student who pays (None: the pool), and the hold of the start."""
        claim = self.claims.get(use.claim or "")
        if use.component is Component.COMPUTE:
            if claim is None or use.machine is None or not self._wished(claim, use, use.machine):
                return None, None
            return claim.owner, hold_ref(claim.name, claim.generation)
        if self.policy.storage_payer is Payer.POOL:
            return None, None
        return self._owner(use, claim), None

    def wishes(self, use: Use) -> Claim | None:
        """The claim that wants this machine now, whoever began it."""
        claim = self.claims.get(use.claim or "")
        machine = use.machine
        if claim is None or machine is None or claim.desired is not Desired.RUNNING:
            return None
        return claim if self._is_named(claim, machine) else None

    def _wished(self, claim: Claim, use: Use, machine: Machine) -> bool:
        """Whether the student wished for this start: not an accident, nor somebody at the console."""
        if not self._is_named(claim, machine):
            return False
        if claim.up_at is not None and seconds_of(claim.up_at) >= use.since:
            return True
        wanted = claim.desired is Desired.RUNNING
        return wanted and seconds_of(claim.desired_at) <= use.since + _SKEW

    def _is_named(self, claim: Claim, machine: Machine) -> bool:
        """Whether the claim's owner is known, and the machine the one that the claim means."""
        intent = self.intents.get(claim.name)
        return (
            self._is_known(claim.owner)
            and machine.owner_id in (None, claim.owner.user_id)
            and (
                claim.machine_id in (None, machine.id)
                or (intent is not None and intent.id == machine.intent)
            )
        )

    def _owner(self, use: Use, claim: Claim | None) -> Owner | None:
        """Whose a disk is: the claim's owner, or whoever its tag names."""
        if claim is not None and self._is_known(claim.owner):
            return claim.owner
        tagged = Owner(use.owner_id or "", "", "")
        return tagged if self._is_known(tagged) else None

    def _is_known(self, owner: Owner) -> bool:
        return bool(owner.user_name) or owner.user_id in self.people


def to_look_up(world: World, claims: Sequence[Claim], policy: MeteringPolicy) -> set[str]:
    """The hub's ids of users whose name nobody has told us, and who may have to pay."""
    named = {claim.owner.user_id for claim in claims if claim.owner.user_name}
    ids = {claim.owner.user_id for claim in claims}
    if policy.storage_payer is Payer.STUDENT:
        tagged = (
            *(disk.owner_id for disk in world.disks),
            *(one.owner_id for one in world.machines),
        )
        ids |= {id_ for id_ in tagged if id_}
    return ids - named - {""}

"""What a listing says costs money, thing by thing, and what it says does so no longer.

Computing costs from the time at which the cloud says that the machine was started. EC2 bills from
`running` on and tells only when the start was accepted, so the seconds of `pending` are counted as
well: what we say that a machine has cost is never less than the bill. A disk costs for as long as it
exists, a public address for as long as the machine is shown with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gpuspawner.model import Disk, DiskKind, Machine, World
from gpuspawner.policy.money import Component, seconds_of
from gpuspawner.policy.steps import BILLED

Key = tuple[str, Component]
"""A resource, by the cloud's id, and what of it is metered by itself."""

ADDRESS_SKU = "public-ipv4"
"""What a public address is called in the price books, whatever the cloud."""

_DISKS = {DiskKind.OS: Component.DISK, DiskKind.HOME: Component.HOME}


@dataclass(frozen=True, slots=True)
class Use:
    """Something that costs money now. `start` names this start of it, None when nobody knows which.

    `since` is when it began, in UTC seconds. `quantity` is GiB of a disk, else 1. `sku` is the
    cloud's name for what has a price. `claim` and `owner_id` are from its tags.
    """

    resource: str
    component: Component
    start: str | None
    since: int
    region: str
    sku: str
    quantity: int = 1
    claim: str | None = None
    owner_id: str | None = None
    machine: Machine | None = None

    @property
    def key(self) -> Key:
        """By what its meter is found."""
        return self.resource, self.component

    @property
    def began(self) -> int:
        """By what this start is known to be before or after another, in UTC seconds."""
        return began_of(self.start, self.since)


def began_of(start: str | None, since: int) -> int:
    """When a start began, by its name; by `since` where nobody knows which it is.

    The rest of the name is of what size or kind it was, and a machine that is off may have been given
    another size since.
    """
    first = (start or "").partition(":")[0]
    return int(first) if first.isdigit() else since


@dataclass(frozen=True, slots=True)
class Ending:
    """Something that the cloud says costs nothing any more.

    `at` is when it ended, and `since` by what the start is known that ended, in UTC seconds, as far
    as the cloud tells.
    """

    at: int | None = None
    since: int | None = None


def uses(world: World, grants: Mapping[str, str] | None = None) -> dict[Key, Use]:
    """All that costs money now; what is listed twice costs once.

    `grants` are the homes that an admin gave to another claim than their tag says: id to claim.
    """
    given = grants or {}
    found = [use for machine in world.machines for use in _of_machine(machine, world)]
    found += [_of_disk(disk, given.get(disk.id, disk.claim)) for disk in world.disks]
    return {use.key: use for use in found}


def endings(world: World) -> dict[Key, Ending]:
    """All machines' parts that the listing shows to be off or gone. A disk that is gone is not shown."""
    parts = (Component.COMPUTE, Component.ADDRESS)
    found = {(id_, part): Ending() for id_ in world.gone for part in parts}
    for machine in (*world.machines, *world.ended):
        since = _mark(machine)
        if machine.power not in BILLED:
            at = machine.stopped_at
            found[machine.id, Component.COMPUTE] = Ending(seconds_of(at) if at else None, since)
        if not machine.public_address or machine.id in world.gone:
            found[machine.id, Component.ADDRESS] = Ending(None, since)
    return found


def over(world: World) -> Iterator[tuple[Use, Ending]]:
    """The last start of every machine that is off or gone, and how it ended.

    A start may have come and gone while nobody looked.
    """
    for machine in (*world.machines, *world.ended):
        if machine.power not in BILLED and machine.powered_at is not None:
            at = machine.stopped_at
            since = seconds_of(machine.powered_at)
            yield _computing(machine, since), Ending(seconds_of(at) if at else None, _mark(machine))


def _of_machine(machine: Machine, world: World) -> Iterator[Use]:
    if machine.power in BILLED and machine.powered_at is not None:
        yield _computing(machine, seconds_of(machine.powered_at))
    if machine.public_address:
        # A cloud that does not say since when: from when it was first seen.
        since = seconds_of(machine.powered_at or world.listed_at)
        yield Use(
            machine.id, Component.ADDRESS, str(since) if machine.powered_at else None, since,
            machine.placement.region, ADDRESS_SKU, 1, machine.claim, machine.owner_id,
        )  # fmt: skip


def _computing(machine: Machine, since: int) -> Use:
    size = machine.placement.size
    return Use(
        machine.id, Component.COMPUTE, f"{_mark(machine)}:{size}", since,
        machine.placement.region, size, 1, machine.claim, machine.owner_id, machine,
    )  # fmt: skip


def _mark(machine: Machine) -> int | None:
    """By what its last start is known to every process, in UTC seconds."""
    at = machine.run or machine.powered_at
    return seconds_of(at) if at else None


def _of_disk(disk: Disk, claim: str | None) -> Use:
    since = seconds_of(disk.created_at)
    return Use(
        disk.id, _DISKS[disk.kind], f"{since}:{disk.type}", since, disk.region, disk.type,
        disk.size_gib, claim, disk.owner_id,
    )  # fmt: skip

"""From when to when a machine ran, as far as Azure says so. Pure.

Of a machine Azure dates its last change alone, whatever that was: attaching a home moves it. But a
disk says when it last changed hands, and a machine's own disk does so with its machine only: when
that was made, deallocated or started (`LastOwnershipUpdateTime`: Microsoft's reference, "Disks"). Its
state says which: `Attached`, or `Reserved` for a machine that is deallocated. So since when a machine
runs is told at every look, to any process, and so is since when one has been off; of one that is off,
its last start is not.

Two things are known better by who has looked all along, or has had the machine made, and are kept from
one look to the next: a machine's first run is billed from when it was made, and not from when that
began; and deallocating, which is not billed, takes a while.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from gpuspawner.model import Machine, Power
from gpuspawner.providers.azure_world import ON, Status, Thing, time


@dataclass(frozen=True, slots=True)
class Hands:
    """Since when a disk has been in the hands that it is in, and whether those run, or are the first.

    `since` is None when that was not asked this time.
    """

    since: datetime | None
    on: bool = False
    first: bool = False


NOT_ASKED = Hands(None)


def hands(disk: Thing) -> Hands | None:
    """What a machine's own disk says; None where Azure leaves the time out."""
    properties = disk["properties"]
    since, made = (time(properties.get(key)) for key in ("LastOwnershipUpdateTime", "timeCreated"))
    if since is None:
        return None
    first = made is not None and since <= made
    return Hands(since, properties.get("diskState") == "Attached", first)


def timed(
    machine: Machine, status: Status, disk: Hands | None, old: Machine | None, now: datetime
) -> Machine:
    """The machine with the times at which it began and ceased to be billed.

    Args:
        machine: as listed, without them.
        status: what it is doing.
        disk: what its own disk says; None when it says nothing.
        old: the machine at the last look of this process.
        now: when this look began.
    """
    if machine.power in ON or machine.power is Power.HALTED:
        ran = old if old and old.powered_at and old.stopped_at is None else None
        began, run = _began(status, disk, old, ran, now)
        return replace(machine, powered_at=began, run=run)
    began, run = (old.powered_at, old.run) if old else (None, None)
    if began is None and machine.power is Power.STOPPING and disk and disk.on and disk.since:
        began, run = disk.since, disk.since
    ended = old.stopped_at if old else None
    if ended is None and machine.power is Power.STOPPED and disk and not disk.on:
        ended = disk.since
    return replace(machine, powered_at=began, run=run, stopped_at=ended or status.at or now)


def _began(
    status: Status, disk: Hands | None, old: Machine | None, ran: Machine | None, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """When the time on began that is now, and its mark; `ran` is `old` if it was on already."""
    if status.provisioning == "creating":
        return None, None
    if disk is None:
        at = None if status.power is None else status.at or now
        return (ran.powered_at, ran.run) if ran else (at, None)
    if disk.since is None or not disk.on:  # that list is older, or newer, than the others
        return (ran.powered_at, ran.run) if ran else (None, None)
    if ran and ran.run == disk.since:
        return ran.powered_at, disk.since
    was_made = old is not None and old.powered_at is None and disk.first
    return (status.at if was_made and status.at else disk.since), disk.since

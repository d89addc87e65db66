"""What is there: what the cloud offers, and what its own listing shows."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime


class Power(str, enum.Enum):
    """What the cloud says about a machine.

    `HALTED` is off but still billed (Azure's "stopped", not deallocated). `FRAGMENT` is a disk, a
    network interface or an address left without its machine, still billed.
    """

    PENDING = "pending"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    HALTED = "halted"
    DELETING = "deleting"
    FRAGMENT = "fragment"


SETTLED = frozenset({Power.STOPPED})
"""The powers in which a machine costs nothing for computing, and stays so by itself."""


@dataclass(frozen=True, slots=True, order=True)
class Placement:
    """Where and how large: `zone` is within `region`; `size` is the cloud's own name for it."""

    region: str
    zone: str
    size: str


@dataclass(frozen=True, slots=True)
class Offering:
    """A placement that exists, what it is made of, what it costs, and whether it can be had now.

    Offerings that cannot be had now are listed too, with `available=False`: "no capacity" and
    "no such thing" are different answers.

    `price_micros` is millionths of the currency unit per hour, for computing alone.
    `gpu_memory_mib` is of all GPUs together.
    """

    placement: Placement
    vcpus: int
    memory_mib: int
    gpu: str
    gpus: int
    gpu_memory_mib: int
    price_micros: int
    currency: str = "USD"
    available: bool = True


@dataclass(frozen=True, slots=True)
class Machine:
    """One virtual machine as the cloud's listing last showed it.

    `claim`, `intent` and `owner_id` are from its tags, None when a tag is missing. `because` is the
    cloud's own code for the last change of power, for the admin. `powered_at` is when the cloud
    says it last began to run, `stopped_at` when the cloud says it last ceased to, if it says so:
    EC2 tells when somebody asked it for a stop, and not when a machine switched itself off. While
    nothing is billed yet, or one listing cannot tell since when, `powered_at` is None. `run` is the
    time by which every process knows that time on, where one that has looked all along has a
    better `powered_at` than the next one will; None where that is it.
    `public_address` costs money as long as there is one.
    """

    id: str
    power: Power
    placement: Placement
    image: str
    created_at: datetime
    claim: str | None = None
    intent: str | None = None
    owner_id: str | None = None
    address: str | None = None
    powered_at: datetime | None = None
    because: str = ""
    stopped_at: datetime | None = None
    public_address: str | None = None
    run: datetime | None = None


@dataclass(frozen=True, slots=True)
class Home:
    """A student's data volume as listed: it outlives every machine, and no rule deletes it.

    `machine_id` is the machine it is attached to, or being attached to. `device` is the path at
    which that machine finds it. `ready` means that it can be attached.
    """

    id: str
    region: str
    zone: str
    size_gib: int
    created_at: datetime
    claim: str | None = None
    owner_id: str | None = None
    machine_id: str | None = None
    device: str = ""
    ready: bool = True


class DiskKind(str, enum.Enum):
    """What a disk is for: the machine's own system, or somebody's home."""

    OS = "os"
    HOME = "home"


@dataclass(frozen=True, slots=True)
class Disk:
    """Any disk as listed, with what it costs by: `type` is the cloud's own name for its kind.

    `size_gib` is as it is billed, where a cloud bills more than it has made.
    A home and a disk that was left behind are here as well as among the homes and the fragments:
    whatever exists is billed, attached or not.
    """

    id: str
    kind: DiskKind
    type: str
    region: str
    size_gib: int
    created_at: datetime
    claim: str | None = None
    owner_id: str | None = None
    machine_id: str | None = None


@dataclass(frozen=True, slots=True)
class Fragment:
    """A billed leftover of a machine: an OS disk, a network interface or an address. Never a home."""

    id: str
    kind: str
    created_at: datetime
    claim: str | None = None


@dataclass(frozen=True, slots=True)
class World:
    """One *complete* listing of everything that carries this hub's tag.

    `gone` are the ids that the cloud positively reports as deleted; an id that is merely not
    listed is not known to be gone. `ended` are those of them that the cloud still tells of, as
    they were at the end. `listed_at` is when the listing began.
    """

    listed_at: datetime
    machines: tuple[Machine, ...] = ()
    homes: tuple[Home, ...] = ()
    fragments: tuple[Fragment, ...] = ()
    gone: frozenset[str] = field(default_factory=frozenset)
    disks: tuple[Disk, ...] = ()
    ended: tuple[Machine, ...] = ()

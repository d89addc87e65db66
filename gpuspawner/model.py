"""The nouns everyone speaks. Plain frozen values; no I/O, no clock, standard library only.

A *claim* is one student's standing request for a machine: what is wanted. A *machine*, a *home*
and a *fragment* are what the cloud's own listing shows: what is there. Nothing in this module
infers one from the other; that is `gpuspawner.policy.plan`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gpuspawner.language import Sentence


class Desired(str, enum.Enum):
    """What a claim asks for. Only the spawner writes `RUNNING`; anyone may write `STOPPED`."""

    RUNNING = "running"
    STOPPED = "stopped"
    DELETED = "deleted"


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


class Reason(str, enum.Enum):
    """Why a wish is what it is, from a fixed set: it labels metrics and picks the page to show."""

    USER = "user"
    ADMIN = "admin"
    CANCELLED = "cancelled"
    CAPACITY = "capacity"
    QUOTA = "quota"
    CONFIGURATION = "configuration"
    OPTIONS = "options"
    BOOT_FAILED = "boot_failed"
    SERVER_FAILED = "server_failed"
    START_TIMEOUT = "start_timeout"
    MACHINE_ENDED = "machine_ended"
    HOME_OWNER = "home_owner"
    DELETED = "deleted"
    ADOPTED = "adopted"
    UNAVAILABLE = "unavailable"


class Stage(str, enum.Enum):
    """How far a start is, in order. Each is *seen*, never assumed from what was asked."""

    CAPACITY = "capacity"
    MACHINE = "machine"
    BOOT = "boot"
    HOME = "home"
    SERVER = "server"
    READY = "ready"


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
class Owner:
    """Whose claim it is. `user_id` is the hub's own id of the user, which a rename keeps."""

    user_id: str
    user_name: str
    server_name: str


@dataclass(frozen=True, slots=True)
class Specification:
    """What the student picked, resolved from the profile list by the hub.

    `sizes` is the ladder, best first. `image` empty means the controller's default image.
    `disk_gib` is the machine's own disk, `home_gib` the data volume mounted as the home directory.
    """

    profile: str
    display_name: str
    sizes: tuple[str, ...]
    image: str = ""
    disk_gib: int = 60
    home_gib: int = 20

    def to_json(self) -> dict[str, Any]:
        """The specification as it is stored and sent."""
        return {
            "profile": self.profile,
            "display_name": self.display_name,
            "sizes": list(self.sizes),
            "image": self.image,
            "disk_gib": self.disk_gib,
            "home_gib": self.home_gib,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Specification:
        """The specification that `to_json` wrote. Unknown keys are ignored."""
        return cls(
            profile=data["profile"],
            display_name=data["display_name"],
            sizes=tuple(data["sizes"]),
            image=data["image"],
            disk_gib=data["disk_gib"],
            home_gib=data["home_gib"],
        )


@dataclass(frozen=True, slots=True)
class Claim:
    """One student's standing request for a machine.

    `generation` grows by one with each new `running` wish; a running wish lasts one session.
    `desired_at` is when the wish was last written, `start_by` when a start that is not up yet is
    given up. `machine_id` is the machine the claim names; another one with the claim's tag is an
    accident. `up_at`, `saved_at` and `heartbeat_at` are what the agent reported for *this*
    generation. `port` is where the single-user server listens.
    """

    name: str
    owner: Owner
    specification: Specification
    desired: Desired
    generation: int
    desired_at: datetime
    reason: Reason | None = None
    because: Sentence | None = None
    start_by: datetime | None = None
    machine_id: str | None = None
    up_at: datetime | None = None
    saved_at: datetime | None = None
    heartbeat_at: datetime | None = None
    port: int = 8888


class IntentState(str, enum.Enum):
    """What became of a request to create a machine: `OPEN` is sent or about to be, not answered."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class Intent:
    """One attempt to create a machine, committed before the request is sent.

    `id` is a UUID and the cloud's idempotency token. The request is frozen in it (`placement`,
    `image`, `disk_gib`), so that a replay is identical to the byte. At most one per claim is open.
    """

    id: str
    claim: str
    generation: int
    placement: Placement
    image: str
    disk_gib: int
    created_at: datetime
    state: IntentState = IntentState.OPEN
    machine_id: str | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """One virtual machine as the cloud's listing last showed it.

    `claim`, `intent` and `owner_id` are from its tags, None when a tag is missing. `because` is the
    cloud's own code for the last change of power, for the admin. `powered_at` is when the cloud
    says it last began to run, if the cloud says so.
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
    listed is not known to be gone. `listed_at` is when the listing began.
    """

    listed_at: datetime
    machines: tuple[Machine, ...] = ()
    homes: tuple[Home, ...] = ()
    fragments: tuple[Fragment, ...] = ()
    gone: frozenset[str] = field(default_factory=frozenset)


class Severity(str, enum.Enum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `check()` looked at: what it is, how it stands, and the remedy."""

    subject: str
    severity: Severity
    message: str
    remedy: str = ""

"""What is wanted: claims, and the attempts to make machines for them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gpuspawner.language import Sentence
from gpuspawner.model.world import Placement


class Desired(str, enum.Enum):
    """What a claim asks for. Only the spawner writes `RUNNING`; anyone may write `STOPPED`."""

    RUNNING = "running"
    STOPPED = "stopped"
    DELETED = "deleted"


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
    HUB_FORGOT = "hub_forgot"
    IDLE = "idle"
    NO_SHOW = "no_show"
    WORK_DONE = "work_done"
    UNATTENDED = "unattended"
    LONGEST_SESSION = "longest_session"
    NIGHTLY_STOP = "nightly_stop"
    UNAVAILABLE = "unavailable"
    CREDIT = "credit"
    PRICE = "price"
    LIMIT = "limit"
    EVERYTHING_STOPPED = "everything_stopped"


class Stage(str, enum.Enum):
    """How far a start is, in order. Each is *seen*, never assumed from what was asked."""

    CAPACITY = "capacity"
    MACHINE = "machine"
    BOOT = "boot"
    HOME = "home"
    SERVER = "server"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose claim it is. `user_id` is that of `names.user_id`, which a rename keeps."""

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

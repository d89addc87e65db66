"""What the emulated Azure keeps: machines, disks, network interfaces, operations."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gpuspawner.emulator.arm_sizes import SIZES, Size, named
from gpuspawner.emulator.clock_ import text

COMPUTE, NETWORK = "Microsoft.Compute", "Microsoft.Network"
VM, DISK, NIC = f"{COMPUTE}/virtualMachines", f"{COMPUTE}/disks", f"{NETWORK}/networkInterfaces"


@dataclass
class Operation:
    """A long-running operation: what it does when it is due, and how it ended.

    `failure` is the code and message with which it is going to fail, or has failed.
    """

    id: str
    kind: str
    location: str
    started_at: float
    due: float
    failure: tuple[str, str] | None = None
    status: str = "InProgress"
    ended_at: float | None = None

    def shown(self) -> dict[str, Any]:
        """The operation as its status is served: an error comes with HTTP 200."""
        said: dict[str, Any] = {"startTime": text(self.started_at), "status": self.status}
        if self.ended_at is not None:
            said["endTime"] = text(self.ended_at)
        if self.status == "Failed" and self.failure:
            said["error"] = {"code": self.failure[0], "message": self.failure[1]}
        return {**said, "name": self.id}


@dataclass
class Disk:
    """A managed disk. `owner` is the name of the machine it is attached to, and how.

    `owned_at` is when it last changed hands, if it ever did: attached, detached, or its machine
    deallocated or started (Microsoft's reference, "Disks", `LastOwnershipUpdateTime`).
    """

    id: str
    name: str
    group: str
    location: str
    zones: tuple[str, ...]
    gib: int
    sku: str
    created_at: float
    tags: Mapping[str, str] = field(default_factory=dict)
    os: bool = False
    owner: str | None = None
    owner_id: str | None = None
    reserved: bool = False
    owned_at: float | None = None
    create_option: str = "Attach"
    caching: str = "None"
    unique: str = field(default_factory=lambda: str(uuid.uuid4()))

    def free(self, at: float) -> None:
        """It is attached to nothing any more."""
        self.owner = self.owner_id = None
        self.hands(at, reserved=False)

    def hands(self, at: float, *, reserved: bool) -> None:
        """It changes hands, to a machine without hardware (`reserved`) or not."""
        self.reserved, self.owned_at = reserved, at


@dataclass
class Nic:
    """A network interface: its private address stays as long as it does."""

    id: str
    name: str
    group: str
    location: str
    address: str
    subnet: str
    tags: Mapping[str, str]
    owner_id: str | None
    delete_with_machine: bool
    created_at: float
    configuration: str = "primary"


@dataclass
class Vm:
    """A machine: `model` is what was put, as far as Azure gives it back.

    `power` is None until it was made. Meanwhile it `boots`: 0 until it has hardware, 1 when that is on,
    2 when its system sets itself up; Azure shows it to run from 1 on.
    """

    id: str
    name: str
    group: str
    location: str
    zone: str
    model: dict[str, Any]
    tags: Mapping[str, str]
    user_data: bytes
    created_at: float
    os_disk: Disk
    nics: list[Nic]
    disks: dict[int, Disk] = field(default_factory=dict)
    keep: dict[str, bool] = field(default_factory=dict)
    power: str | None = None
    boots: int = 0
    provisioning: str = "Creating"
    failure: tuple[str, str] | None = None
    since: float = 0.0
    operation: Operation | None = None
    allocated: bool = False
    jobs: int = 0
    idle_since: float = 0.0
    vm_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def size(self) -> Size:
        """What it is, or is going to be when it starts."""
        return named(self.model["hardwareProfile"]["vmSize"]) or next(iter(SIZES.values()))

    @property
    def busy(self) -> bool:
        """Whether an operation is under way."""
        return self.operation is not None

    def hands(self, at: float, *, reserved: bool) -> None:
        """It has got hardware, or has given it back (`reserved`): its disks say when."""
        for disk in (self.os_disk, *self.disks.values()):
            disk.hands(at, reserved=reserved)

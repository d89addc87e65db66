"""What the emulated Azure keeps: machines, disks, network interfaces, operations; and how it shows them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gpuspawner.emulator.arm_sizes import SIZES, Size, named
from gpuspawner.emulator.clock_ import text

COMPUTE, NETWORK = "Microsoft.Compute", "Microsoft.Network"
VM, DISK, NIC = f"{COMPUTE}/virtualMachines", f"{COMPUTE}/disks", f"{NETWORK}/networkInterfaces"

_SHOWN = {
    "starting": "VM starting",
    "running": "VM running",
    "stopping": "VM stopping",
    "stopped": "VM stopped",
    "deallocating": "VM deallocating",
    "deallocated": "VM deallocated",
}


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
    """A managed disk. `owner` is the name of the machine it is attached to."""

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
    unique: str = field(default_factory=lambda: str(uuid.uuid4()))

    def shown(self) -> dict[str, Any]:
        """The resource."""
        state = "Unattached" if not self.owner else "Reserved" if self.reserved else "Attached"
        properties: dict[str, Any] = {
            "creationData": {"createOption": "FromImage" if self.os else "Empty"},
            "diskSizeGB": self.gib,
            "diskSizeBytes": self.gib << 30,
            "diskState": state,
            "provisioningState": "Succeeded",
            "timeCreated": text(self.created_at),
            "uniqueId": self.unique,
        }
        if self.os:
            properties["osType"] = "Linux"
        return {
            "id": self.id,
            "name": self.name,
            "type": DISK,
            "location": self.location,
            "sku": {"name": self.sku, "tier": "Premium" if "Premium" in self.sku else "Standard"},
            "tags": dict(self.tags),
            "properties": properties,
            **({"zones": list(self.zones)} if self.zones else {}),
            **({"managedBy": self.owner_id} if self.owner_id else {}),
        }


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

    def shown(self) -> dict[str, Any]:
        """The resource."""
        configuration = {
            "name": "primary",
            "properties": {
                "primary": True,
                "privateIPAddress": self.address,
                "privateIPAddressVersion": "IPv4",
                "privateIPAllocationMethod": "Dynamic",
                "provisioningState": "Succeeded",
                "subnet": {"id": self.subnet},
            },
        }
        properties: dict[str, Any] = {
            "ipConfigurations": [configuration],
            "primary": True,
            "provisioningState": "Succeeded",
        }
        if self.owner_id:
            properties["virtualMachine"] = {"id": self.owner_id}
        return {
            "id": self.id,
            "name": self.name,
            "type": NIC,
            "location": self.location,
            "tags": dict(self.tags),
            "properties": properties,
        }


@dataclass
class Vm:
    """A machine: `model` is what was put, as far as Azure gives it back.

    `power` is None until it was first allocated. `history` is what a late listing shows.
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

    def shown(self, *, view: bool = False) -> dict[str, Any]:
        """The resource, with its run-time state if asked for."""
        storage = {
            **self.model["storageProfile"],
            "osDisk": {
                **self.model["storageProfile"]["osDisk"],
                "osType": "Linux",
                "name": self.os_disk.name,
                "diskSizeGB": self.os_disk.gib,
                "managedDisk": {"id": self.os_disk.id, "storageAccountType": self.os_disk.sku},
            },
            "dataDisks": [
                {
                    "lun": lun,
                    "name": disk.name,
                    "createOption": "Attach",
                    "caching": "None",
                    "managedDisk": {"id": disk.id, "storageAccountType": disk.sku},
                    "deleteOption": "Detach" if self.keep[disk.name] else "Delete",
                    "toBeDetached": False,
                }
                for lun, disk in sorted(self.disks.items())
            ],
        }
        interfaces = [
            {
                "id": nic.id,
                "properties": {
                    "primary": True,
                    "deleteOption": "Delete" if nic.delete_with_machine else "Detach",
                },
            }
            for nic in self.nics
        ]
        properties = {
            **self.model,
            "storageProfile": storage,
            "networkProfile": {"networkInterfaces": interfaces},
            "provisioningState": self.provisioning,
            "vmId": self.vm_id,
            "timeCreated": text(self.created_at),
            **({"instanceView": self.view()} if view else {}),
        }
        return {**self._head(), "tags": dict(self.tags), "properties": properties}

    def status(self) -> dict[str, Any]:
        """The entry of a list with `statusOnly`: it has no tags (azure-sdk-for-go, issue 18565)."""
        return {
            **self._head(),
            "properties": {
                "provisioningState": self.provisioning,
                "vmId": self.vm_id,
                "instanceView": {"statuses": self._statuses(why=False)},
            },
        }

    def view(self) -> dict[str, Any]:
        """The run-time state."""
        return {"statuses": self._statuses(why=True)}

    def _statuses(self, *, why: bool) -> list[dict[str, Any]]:
        # Of power there is none before the machine was first allocated. Whether the list of all
        # has the reason of a failure is not documented, so nobody may rely on it.
        failure = self.failure if why else None
        code = f"ProvisioningState/{self.provisioning.lower()}"
        first: dict[str, Any] = {
            "code": f"{code}/{failure[0]}" if failure else code,
            "level": "Error" if self.failure else "Info",
            "displayStatus": f"Provisioning {self.provisioning.lower()}",
            "time": text(self.since),
        }
        if failure:
            first["message"] = failure[1]
        statuses = [first]
        if self.power:
            statuses.append(
                {
                    "code": f"PowerState/{self.power}",
                    "level": "Info",
                    "displayStatus": _SHOWN[self.power],
                }
            )
        return statuses

    def _head(self) -> dict[str, Any]:
        zones = {"zones": [self.zone]} if self.zone else {}
        head = {"id": self.id, "name": self.name, "type": VM, "location": self.location}
        return {**head, **zones}

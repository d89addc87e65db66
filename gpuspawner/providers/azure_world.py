"""What Azure's answers mean in our words. Pure: dictionaries in, the model's nouns out.

A machine is two entries of two lists: the model has its tags, size and disks, the status what it
is doing. The list that has the status of all has no tags (azure-sdk-for-go, issue 18565), and the
list that has the tags has no status.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gpuspawner.model import Disk, DiskKind, Home, Machine, Placement, Power
from gpuspawner.providers import azure_requests as requests
from gpuspawner.providers.azure_errors import CAPACITY
from gpuspawner.providers.azure_tiers import billed_gib
from gpuspawner.providers.tags import CLAIM, HOME, HUB, INTENT, OWNER, ROLE

Thing = Mapping[str, Any]

_POWER = {
    "starting": Power.PENDING,
    "running": Power.RUNNING,
    "stopping": Power.HALTED,
    "stopped": Power.HALTED,
    "deallocating": Power.STOPPING,
    "deallocated": Power.STOPPED,
}
"""Azure's `stopping` and `stopped` are off but billed; only `deallocated` costs nothing."""

ON = frozenset({Power.PENDING, Power.RUNNING})

DEVICE = f"/dev/disk/azure/scsi1/lun{requests.HOME_LUN}"
"""Where the udev rules of Azure's Linux agent link a data disk of that number (Microsoft,
"Troubleshoot Linux VM device name changes")."""


@dataclass(frozen=True, slots=True)
class Status:
    """What one machine is doing. `at` is when that was last settled, if Azure says so.

    `power` is None when Azure does not say: that is "unknown", and never "off".
    """

    provisioning: str
    power: Power | None
    at: datetime | None = None
    code: str = ""
    message: str = ""

    @property
    def failed(self) -> bool:
        """Whether the last change failed."""
        return self.provisioning == "failed"


UNKNOWN = Status("", None)


def status(entry: Thing) -> Status:
    """The status in an entry of the list of all, or of one machine's own instance view."""
    properties = entry.get("properties") or {}
    view = properties.get("instanceView") or {}
    provisioning = str(properties.get("provisioningState") or "").lower()
    power, at, code, message = None, None, "", ""
    for one in view.get("statuses") or ():
        name, _, rest = str(one.get("code", "")).partition("/")
        if name == "PowerState":
            power = _POWER.get(rest)
        elif name == "ProvisioningState":
            provisioning, _, code = rest.lower(), *rest.partition("/")[1:]
            provisioning = provisioning.partition("/")[0]
            at, message = time(one.get("time")), str(one.get("message") or "")
    return Status(provisioning, power, at, code, message)


def power(now: Status, before: Power | None) -> Power:
    """What a machine does, with what it did at the last look.

    Of one that Azure is silent about, the state that can cost is taken: it runs if it ran, and
    else it is on its way. One that never got hardware is off.
    """
    if now.provisioning == "deleting":
        return Power.DELETING
    if now.provisioning == "creating" and now.power in ON:
        # It boots for the first time, which Azure shows as running and does not bill.
        return Power.PENDING
    if now.power is not None:
        return now.power
    if now.failed:
        return Power.STOPPED if now.code in CAPACITY else Power.HALTED
    return Power.RUNNING if before is Power.RUNNING else Power.PENDING


def machine(model: Thing, does: Power, now: Status, addresses: Mapping[str, str]) -> Machine:
    """A machine, without the times at which it began and ended to run."""
    tags, properties = tags_of(model), model["properties"]
    created = time(properties.get("timeCreated"))
    assert created is not None, model["id"]
    return Machine(
        id=name_of(model),
        power=does,
        placement=Placement(
            model["location"],
            requests.zone_name(model["location"], model.get("zones")),
            properties["hardwareProfile"]["vmSize"],
        ),
        image=image_of((properties.get("storageProfile") or {}).get("imageReference") or {}),
        created_at=created,
        claim=tags.get(CLAIM),
        intent=tags.get(INTENT),
        owner_id=tags.get(OWNER),
        address=addresses.get(model["id"].lower()),
        because=now.code if now.failed else "",
    )


def home(disk: Thing) -> Home:
    """A disk as a home."""
    tags, properties = tags_of(disk), disk["properties"]
    created = time(properties.get("timeCreated"))
    assert created is not None, disk["id"]
    return Home(
        id=name_of(disk),
        region=disk["location"],
        zone=requests.zone_name(disk["location"], disk.get("zones")),
        size_gib=properties["diskSizeGB"],
        created_at=created,
        claim=tags.get(CLAIM),
        owner_id=tags.get(OWNER),
        machine_id=attached_to(disk),
        device=DEVICE,
        ready=properties.get("provisioningState", "Succeeded") == "Succeeded",
    )


def disk(entry: Thing, owner: Machine | None) -> Disk:
    """Any disk, as what it costs by: the GiB are its tier's. `owner` is the machine whose own it is."""
    tags, properties = tags_of(entry), entry["properties"]
    created = time(properties.get("timeCreated"))
    assert created is not None, entry["id"]
    kept = is_home(entry)
    return Disk(
        id=name_of(entry),
        kind=DiskKind.HOME if kept else DiskKind.OS,
        type=(entry.get("sku") or {}).get("name", ""),
        region=entry["location"],
        size_gib=billed_gib(properties["diskSizeGB"]),
        created_at=created,
        claim=tags.get(CLAIM) or (owner.claim if owner else None),
        owner_id=tags.get(OWNER) or (owner.owner_id if owner else None),
        machine_id=attached_to(entry),
    )


def is_ours(entry: Thing, hub_id: str) -> bool:
    """Whether a resource carries this hub's tag, or is a machine's own disk with this hub's name.

    Azure makes a machine's own disk itself, and need not give it the machine's tags.
    """
    if HUB in tags_of(entry):
        return tags_of(entry)[HUB] == hub_id
    machine_name = requests.owner_of_os_disk(name_of(entry))
    own = bool((entry.get("properties") or {}).get("osType"))
    return own and machine_name is not None and machine_name.startswith(f"gs-{hub_id}-")


def is_home(entry: Thing) -> bool:
    """Whether it may hold somebody's work: all but what is positively a machine's own disk."""
    if tags_of(entry).get(ROLE) == HOME:
        return True
    own = bool((entry.get("properties") or {}).get("osType"))
    return not (own and requests.owner_of_os_disk(name_of(entry)))


def attached_to(entry: Thing) -> str | None:
    """The machine that a disk belongs to now."""
    owner = entry.get("managedBy")
    return str(owner).rpartition("/")[2].lower() if owner else None


def holder_of(interface: Thing) -> str | None:
    """The full id of the machine that a network interface is of, in lower case."""
    owner = (interface.get("properties") or {}).get("virtualMachine") or {}
    return str(owner["id"]).lower() if owner.get("id") else None


def address_of(interface: Thing) -> str | None:
    """The private address of a network interface."""
    for one in (interface.get("properties") or {}).get("ipConfigurations") or ():
        properties = one.get("properties") or {}
        if properties.get("primary", True) and properties.get("privateIPAddress"):
            return str(properties["privateIPAddress"])
    return None


def image_of(reference: Thing) -> str:
    """An image as it is written in the configuration."""
    if reference.get("id"):
        return str(reference["id"])
    return ":".join(str(reference.get(key, "")) for key in ("publisher", "offer", "sku", "version"))


def name_of(entry: Thing) -> str:
    """The name of a resource, which is its id with us: one resource group has all of them."""
    return str(entry["name"]).lower()


def tags_of(entry: Thing) -> Mapping[str, str]:
    """The tags."""
    return entry.get("tags") or {}


def time(text: Any) -> datetime | None:
    """A time as Azure writes it, with up to seven digits after the second."""
    if not text:
        return None
    head, dot, rest = str(text).replace("Z", "+00:00").partition(".")
    if dot:
        digits, sign, zone = rest.partition("+")
        head += f".{digits[:6]:0<6}{sign}{zone}"
    return datetime.fromisoformat(head)

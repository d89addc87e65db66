"""What EC2's answers mean in our words. Pure: dictionaries in, the model's nouns out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from gpuspawner.model import Disk, DiskKind, Fragment, Home, Machine, Placement, Power, World
from gpuspawner.providers.tags import CLAIM, INTENT, OS_DISK, OWNER, ROLE

TERMINATED = "terminated"

_POWER = {
    "pending": Power.PENDING,
    "running": Power.RUNNING,
    "stopping": Power.STOPPING,
    "stopped": Power.STOPPED,
    "shutting-down": Power.DELETING,
    TERMINATED: Power.DELETING,
}

_ON = frozenset({Power.PENDING, Power.RUNNING})

_YOUNG = timedelta(minutes=5)
"""A new machine's disk is briefly `available` before it is attached; it is no leftover then."""

_WHEN = re.compile(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?:GMT|UTC)\)")
"""When the state changed, as `StateTransitionReason` ends: `User initiated (2026-11-21 08:00:00 GMT)`.

It is empty when the machine switched itself off, and while it runs."""

_DEVICE = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_"
"""Where udev links an EBS volume on a Nitro instance, followed by its id without the hyphen (EC2
user guide, "Map Amazon EBS volumes to NVMe device names")."""


def world(
    instances: Iterable[Mapping[str, Any]],
    volumes: Iterable[Mapping[str, Any]],
    region: str,
    listed_at: datetime,
) -> World:
    """One complete listing. Terminated instances stay listed for about an hour: they are gone.

    What is on two pages, because the list moved between them, is one thing: as it was seen last.
    """
    instances = {one["InstanceId"]: one for one in instances}.values()
    volumes = {one["VolumeId"]: one for one in volumes}.values()
    return World(
        listed_at=listed_at,
        machines=tuple(machine(one, region) for one in instances if state(one) != TERMINATED),
        homes=tuple(home(one, region) for one in volumes if is_home(one) and exists(one)),
        fragments=tuple(fragment(one) for one in volumes if _is_left(one, listed_at)),
        gone=frozenset(one["InstanceId"] for one in instances if state(one) == TERMINATED),
        disks=tuple(disk(one, region) for one in volumes if exists(one)),
        ended=tuple(machine(one, region) for one in instances if state(one) == TERMINATED),
    )


def machine(instance: Mapping[str, Any], region: str) -> Machine:
    """An instance as a machine.

    EC2 keeps no time of creation: `LaunchTime` moves with every start. The earliest time that
    anything was attached to the instance is the nearest to it.
    """
    tags = tags_of(instance)
    power = _POWER[state(instance)]
    return Machine(
        id=instance["InstanceId"],
        power=power,
        placement=Placement(
            region, instance["Placement"]["AvailabilityZone"], instance["InstanceType"]
        ),
        image=instance["ImageId"],
        created_at=min(_times(instance)),
        claim=tags.get(CLAIM),
        intent=tags.get(INTENT),
        owner_id=tags.get(OWNER),
        address=instance.get("PrivateIpAddress") or None,
        powered_at=instance["LaunchTime"],
        because=(instance.get("StateReason") or {}).get("Code", ""),
        # A listing that is late may show what the instance was, beside why it is no longer.
        stopped_at=None if power in _ON else changed_at(instance),
        public_address=instance.get("PublicIpAddress") or None,
    )


def home(volume: Mapping[str, Any], region: str) -> Home:
    """A volume as a home."""
    tags = tags_of(volume)
    return Home(
        id=volume["VolumeId"],
        region=region,
        zone=volume["AvailabilityZone"],
        size_gib=volume["Size"],
        created_at=volume["CreateTime"],
        claim=tags.get(CLAIM),
        owner_id=tags.get(OWNER),
        machine_id=attached_to(volume),
        device=_DEVICE + volume["VolumeId"].replace("-", ""),
        ready=volume["State"] in {"available", "in-use"},
    )


def disk(volume: Mapping[str, Any], region: str) -> Disk:
    """Any volume, as what it costs by."""
    tags = tags_of(volume)
    return Disk(
        id=volume["VolumeId"],
        kind=DiskKind.HOME if is_home(volume) else DiskKind.OS,
        type=volume["VolumeType"],
        region=region,
        size_gib=volume["Size"],
        created_at=volume["CreateTime"],
        claim=tags.get(CLAIM),
        owner_id=tags.get(OWNER),
        machine_id=attached_to(volume),
    )


def fragment(volume: Mapping[str, Any]) -> Fragment:
    """A machine's own disk, left without its machine."""
    claim = tags_of(volume).get(CLAIM)
    return Fragment(volume["VolumeId"], "disk", volume["CreateTime"], claim)


def state(instance: Mapping[str, Any]) -> str:
    """EC2's own word for what an instance does."""
    return str(instance["State"]["Name"])


def changed_at(instance: Mapping[str, Any]) -> datetime | None:
    """When EC2 says that the state changed last, if it says so; to the second."""
    found = _WHEN.search(instance.get("StateTransitionReason") or "")
    if found is None:
        return None
    return datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)


def is_home(volume: Mapping[str, Any]) -> bool:
    """Whether it may hold somebody's work: all but what is positively a machine's own disk."""
    return tags_of(volume).get(ROLE) != OS_DISK


def exists(volume: Mapping[str, Any]) -> bool:
    """Whether it is still there and not on its way out."""
    return volume["State"] not in {"deleting", "deleted"}


def attached_to(volume: Mapping[str, Any]) -> str | None:
    """The instance that has the volume, is getting it, or has not let go of it yet."""
    for attachment in volume.get("Attachments") or ():
        if attachment.get("State") != "detached":
            return str(attachment["InstanceId"])
    return None


def tags_of(thing: Mapping[str, Any]) -> dict[str, str]:
    """The tags, as a dictionary."""
    return {tag["Key"]: tag["Value"] for tag in thing.get("Tags") or ()}


def _is_left(volume: Mapping[str, Any], now: datetime) -> bool:
    return (
        not is_home(volume)
        and volume["State"] == "available"
        and now - volume["CreateTime"] >= _YOUNG
    )


def _times(instance: Mapping[str, Any]) -> Iterable[datetime]:
    yield instance["LaunchTime"]
    for interface in instance.get("NetworkInterfaces") or ():
        if at := (interface.get("Attachment") or {}).get("AttachTime"):
            yield at
    for disk in instance.get("BlockDeviceMappings") or ():
        if at := (disk.get("Ebs") or {}).get("AttachTime"):
            yield at

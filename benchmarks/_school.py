"""A school of any size, made up: its claims in a database, and what EC2 would list for them.

Half of the students work, four in ten are away with their machines stopped, and one in ten is
starting. Nothing is wrong, so a plan for it has no steps.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from sqlalchemy import insert

from gpuspawner.language import say
from gpuspawner.model import (
    Claim,
    Desired,
    Offering,
    Owner,
    Placement,
    Reason,
    Specification,
    Stage,
    World,
)
from gpuspawner.names import claim_name
from gpuspawner.providers import tags
from gpuspawner.store import schema
from gpuspawner.store.database import Database, engine_of
from gpuspawner.store.rows import values_of

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=timezone.utc)
REGION, ZONES, IMAGE, HUB = (
    "us-east-1",
    ("us-east-1a", "us-east-1b"),
    "ami-0123456789abcdef0",
    "0badcafe",
)
SIZES = ("g4dn.xlarge", "g5.xlarge")
STAGES = (Stage.CAPACITY, Stage.MACHINE, Stage.BOOT, Stage.HOME, Stage.SERVER, Stage.READY)
OFFERED = tuple(
    Offering(Placement(REGION, zone, size), 4, 16384, "T4", 1, 16384, 526_000)
    for size in SIZES
    for zone in ZONES
)


@dataclass(frozen=True)
class Cloud:
    """The provider, as far as a pass needs it: its listing is ready."""

    world: World
    name: str = "ready"

    async def list(self, missed: Collection[str] = ()) -> World:  # noqa: ARG002 - a provider's
        """The listing."""
        return self.world

    async def offerings(self) -> tuple[Offering, ...]:
        """Two sizes in two zones."""
        return OFFERED

    async def resolve_image(self, reference: str) -> str:
        """One image."""
        return reference or IMAGE


def claims(students: int) -> list[Claim]:
    """The claims of so many students."""
    return [_claim(number) for number in range(students)]


def wanting(some: list[Claim]) -> list[Claim]:
    """The same claims, each just asked to run: the stopped ones are to be started."""
    return [
        replace(one, desired=Desired.RUNNING, up_at=None, start_by=NOW + timedelta(minutes=15))
        for one in some
    ]


def instances(students: int) -> list[dict[str, Any]]:
    """What DescribeInstances would say of their machines."""
    return [_instance(number) for number in range(students)]


def volumes(students: int) -> list[dict[str, Any]]:
    """What DescribeVolumes would say: a home and a machine's own disk each."""
    return [volume for number in range(students) for volume in _volumes(number)]


def fill(database: Database, some: list[Claim]) -> None:
    """Write the claims, with the story of their last three starts each."""
    rows = [values_of(claim) for claim in some]
    with engine_of(database).begin() as connection:
        connection.execute(insert(schema.claims), rows)
        connection.execute(insert(schema.events), [line for one in some for line in _story(one)])
        connection.execute(
            insert(schema.starts),
            [
                {
                    "size": SIZES[number % 2],
                    "seconds": 200.0,
                    "at": NOW - timedelta(days=number % 10),
                }
                for number in range(3 * len(some))
            ],
        )


def _claim(number: int) -> Claim:
    working, starting = number % 10 < 5, number % 10 == 9
    return Claim(
        name=_name(number),
        owner=Owner(str(number), f"student{number}", ""),
        specification=Specification("t4", "One T4 GPU", SIZES),
        desired=Desired.RUNNING if working or starting else Desired.STOPPED,
        generation=3,
        desired_at=NOW - timedelta(minutes=2 if starting else 90),
        reason=None if working or starting else Reason.USER,
        because=None if working or starting else say("The machine was stopped by you."),
        start_by=NOW + timedelta(minutes=13),
        machine_id=_machine(number),
        up_at=NOW - timedelta(minutes=85) if working else None,
        heartbeat_at=NOW - timedelta(seconds=10) if working else None,
    )


def _story(claim: Claim) -> Iterator[dict[str, Any]]:
    reached = 3 if claim.desired is Desired.RUNNING and not claim.up_at else len(STAGES)
    for generation in range(1, claim.generation + 1):
        for stage in STAGES[: reached if generation == claim.generation else None]:
            # The very words that the reconciler would note again, so that there is nothing new.
            if stage is Stage.BOOT:
                sentence = say(
                    "The machine is on and its system is starting. Your files are plugged in."
                )
            else:
                sentence = say("The machine {size} in zone {zone}.", size=SIZES[0], zone=ZONES[0])
            yield {
                "claim": claim.name,
                "generation": generation,
                "stage": stage.value,
                "sentence": sentence.to_json(),
                "at": claim.desired_at,
            }


def _instance(number: int) -> dict[str, Any]:
    on = number % 10 < 5 or number % 10 == 9
    launched = NOW - timedelta(hours=2)
    tagged = {
        "Name": _name(number),
        tags.HUB: HUB,
        tags.CLAIM: _name(number),
        tags.INTENT: f"00000000-0000-4000-8000-{number:012d}",
        tags.OWNER: str(number),
        tags.ROLE: tags.MACHINE,
    }
    disks = ("/dev/sda1", f"vol-0d{number:015x}"), ("/dev/sdf", f"vol-0f{number:015x}")
    return {
        "InstanceId": _machine(number),
        "ImageId": IMAGE,
        "InstanceType": SIZES[0],
        "LaunchTime": launched,
        "Placement": {"AvailabilityZone": ZONES[number % 2], "Tenancy": "default"},
        "State": {"Code": 16, "Name": "running" if on else "stopped"},
        "StateReason": None if on else {"Code": "Client.UserInitiatedShutdown", "Message": ""},
        "StateTransitionReason": "" if on else "User initiated (2026-03-02 07:30:00 GMT)",
        "PrivateIpAddress": f"10.{number // 62500}.{number // 250 % 250}.{number % 250 + 4}",
        "NetworkInterfaces": [
            {"NetworkInterfaceId": f"eni-{number:017x}", "Attachment": {"AttachTime": launched}}
        ],
        "BlockDeviceMappings": [
            {"DeviceName": device, "Ebs": {"VolumeId": volume, "AttachTime": launched}}
            for device, volume in disks
        ],
        "Tags": [{"Key": key, "Value": value} for key, value in tagged.items()],
    }


def _volumes(number: int) -> Iterator[dict[str, Any]]:
    for letter, role, gib in (("d", tags.OS_DISK, 60), ("f", tags.HOME, 20)):
        tagged = {
            tags.HUB: HUB,
            tags.CLAIM: _name(number),
            tags.OWNER: str(number),
            tags.ROLE: role,
        }
        yield {
            "VolumeId": f"vol-0{letter}{number:015x}",
            "AvailabilityZone": ZONES[number % 2],
            "Size": gib,
            "VolumeType": "gp3",
            "Iops": 3000,
            "Throughput": 125,
            "Encrypted": True,
            "State": "in-use",
            "CreateTime": NOW - timedelta(days=30),
            "Attachments": [{"InstanceId": _machine(number), "State": "attached"}],
            "Tags": [{"Key": key, "Value": value} for key, value in tagged.items()],
        }


def _machine(number: int) -> str:
    return f"i-{number:017x}"


def _name(number: int) -> str:
    return claim_name(HUB, f"student{number}")

"""What is sent to EC2. Pure: a request of ours in, the whole of EC2's request out.

A replay has to be identical to the byte, or EC2 answers `IdempotentParameterMismatch`: nothing here
depends on the time or on chance.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpuspawner.errors import InvalidSpec
from gpuspawner.providers import tags as words
from gpuspawner.providers.base import HomeRequest, MachineRequest
from gpuspawner.providers.user_data import LIMIT
from gpuspawner.settings.aws_record import AWSRecord

HOME_DEVICE = "/dev/sdf"
"""What a home is attached as; the kernel of a Nitro instance gives it a name of its own."""


@dataclass(frozen=True, slots=True)
class Image:
    """An AMI: `disk_gib` is the smallest disk it fits on."""

    id: str
    root_device: str
    disk_gib: int


def run_instances(
    request: MachineRequest,
    record: AWSRecord,
    hub_id: str,
    image: Image,
    subnet: str,
    groups: Sequence[str],
) -> dict[str, Any]:
    """The parameters of RunInstances for one machine.

    No instance profile: students are root there. IMDSv2 alone, one hop, without the tags, since
    the account's default could be anything. A shutdown from inside stops and does not terminate.

    Raises:
        InvalidSpec: the user data is longer than 16 KiB.
    """
    if len(request.user_data) > LIMIT:
        raise InvalidSpec(f"the user data is {len(request.user_data)} bytes; {LIMIT} are allowed")
    interface = {
        "DeviceIndex": 0,
        "SubnetId": subnet,
        "AssociatePublicIpAddress": False,
        "DeleteOnTermination": True,
        **({"Groups": list(groups)} if groups else {}),
    }
    disk = {
        "VolumeSize": request.disk_gib,
        "VolumeType": record.disk_type,
        "Encrypted": True,
        "DeleteOnTermination": True,
    }
    marks = machine_tags(request, record, hub_id)
    return {
        "ClientToken": request.intent,
        "MinCount": 1,
        "MaxCount": 1,
        "ImageId": image.id,
        "InstanceType": request.placement.size,
        "UserData": request.user_data.decode("utf-8"),
        "InstanceInitiatedShutdownBehavior": "stop",
        "NetworkInterfaces": [interface],
        "BlockDeviceMappings": [{"DeviceName": image.root_device, "Ebs": disk}],
        "MetadataOptions": {
            "HttpEndpoint": "enabled",
            "HttpTokens": "required",
            "HttpPutResponseHopLimit": 1,
            "InstanceMetadataTags": "disabled",
        },
        "TagSpecifications": [
            _tagged("instance", {**marks, words.ROLE: words.MACHINE}),
            _tagged("volume", {**marks, words.ROLE: words.OS_DISK}),
            _tagged("network-interface", {**marks, words.ROLE: words.MACHINE}),
        ],
    }


def create_volume(request: HomeRequest, record: AWSRecord, hub_id: str) -> dict[str, Any]:
    """The parameters of CreateVolume for a home."""
    tags = {
        **record.tags,
        "Name": request.claim,
        words.HUB: hub_id,
        words.CLAIM: request.claim,
        words.OWNER: request.owner_id,
        words.ROLE: words.HOME,
    }
    return {
        "ClientToken": request.token,
        "AvailabilityZone": request.zone,
        "Size": request.size_gib,
        "VolumeType": record.disk_type,
        "Encrypted": True,
        "TagSpecifications": [_tagged("volume", tags)],
    }


def machine_tags(request: MachineRequest, record: AWSRecord, hub_id: str) -> dict[str, str]:
    """The tags of all that is made for a machine, its role apart."""
    return {
        **record.tags,
        "Name": request.claim,
        words.HUB: hub_id,
        words.CLAIM: request.claim,
        words.INTENT: request.intent,
        words.OWNER: request.owner_id,
    }


def of_hub(hub_id: str, **more: Collection[str]) -> dict[str, Any]:
    """Filters for what carries this hub's tag; `instance_id=[…]` and the like narrow them."""
    filters: list[Mapping[str, Any]] = [{"Name": f"tag:{words.HUB}", "Values": [hub_id]}]
    filters += [
        {"Name": name.replace("_", "-"), "Values": list(values)} for name, values in more.items()
    ]
    return {"Filters": filters}


def _tagged(kind: str, tags: Mapping[str, str]) -> dict[str, Any]:
    listed = [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
    return {"ResourceType": kind, "Tags": listed}

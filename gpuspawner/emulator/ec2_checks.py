"""What EC2 refuses before it does anything, where moto would say yes.

Codes and sentences are EC2's own (EC2 API reference, "Error codes").
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpuspawner.emulator import ec2_moto as border
from gpuspawner.emulator.ec2_lifecycle import Record
from gpuspawner.emulator.ec2_wire import Call, Refusal

USER_DATA_BYTES = 16384
PAGE = {
    "DescribeInstances": (5, 1000),
    "DescribeInstanceStatus": (5, 1000),
    "DescribeVolumes": (5, 1000),
}
STATUS_IDS = 100
_INSTANCE = re.compile(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})")


@dataclass(frozen=True)
class Launch:
    """What a checked RunInstances asks for."""

    type: str
    zone: str
    least: int
    most: int
    user_data: bytes


def paging(call: Call) -> None:
    """Check MaxResults and the number of ids.

    Raises:
        Refusal: out of range, or together with ids.
    """
    ids = call.numbered("InstanceId")
    if call.action == "DescribeInstanceStatus" and len(ids) > STATUS_IDS:
        message = f"At most {STATUS_IDS} instance IDs may be given, not {len(ids)}."
        raise Refusal("InvalidParameterValue", message)
    most = call.params.get("MaxResults")
    if most is None or call.action not in PAGE:
        return
    if ids or call.numbered("VolumeId"):
        what = "instancesSet" if ids else "volumeSet"
        message = f"The parameter {what} cannot be used with the parameter maxResults"
        raise Refusal("InvalidParameterCombination", message)
    low, high = PAGE[call.action]
    if not most.isdigit() or not low <= int(most) <= high:
        message = (
            f"Value ( {most} ) for parameter maxResults is invalid. "
            f"Expecting a value from {low} to {high}."
        )
        raise Refusal("InvalidParameterValue", message)


def launch(call: Call, backend: Any, region: str) -> Launch:
    """Check RunInstances.

    Raises:
        Refusal: the first thing that is wrong.
        border.ServiceException: the same, in moto's words.
    """
    least, most = int(call.params.get("MinCount", "1")), int(call.params.get("MaxCount", "1"))
    if not 1 <= least <= most:
        message = f"Value ( {least} ) for parameter minCount must be from 1 to maxCount ( {most} )."
        raise Refusal("InvalidParameterValue", message)
    _only_what_is_here(call)
    _image(call, backend)
    zone = _zone(call, backend, region)
    machine_type = call.params.get("InstanceType", "m1.small")
    offered(machine_type, zone, region)
    _groups(call, backend)
    return Launch(machine_type, zone, least, most, _user_data(call))


def offered(machine_type: str, zone: str, region: str) -> None:
    """Check that the zone has such machines at all.

    Raises:
        Refusal: `InvalidParameterValue` for a type that does not exist, `Unsupported` here.
    """
    if machine_type not in border.machine_types():
        message = f"Invalid value '{machine_type}' for InstanceType."
        raise Refusal("InvalidParameterValue", message)
    zones = border.zones_with(machine_type, region)
    if zone not in zones:
        message = (
            f"Your requested instance type ({machine_type}) is not supported in your requested "
            f"Availability Zone ({zone}). Please retry your request by not specifying an "
            f"Availability Zone or choosing {', '.join(zones)}."
        )
        raise Refusal("Unsupported", message)


def instances(call: Call, records: Mapping[str, Record]) -> list[Record]:
    """The instances that the call names: all of them, or a refusal for the whole batch.

    Raises:
        Refusal: none named, malformed, or not there.
    """
    ids = call.numbered("InstanceId") or [
        call.params[key] for key in ["InstanceId"] if key in call.params
    ]
    if not ids:
        raise Refusal("MissingParameter", "The request must contain the parameter InstanceId")
    for machine_id in ids:
        if not _INSTANCE.fullmatch(machine_id):
            raise Refusal("InvalidInstanceID.Malformed", f'Invalid id: "{machine_id}"')
    missing = [machine_id for machine_id in ids if machine_id not in records]
    if missing:
        some = f"ID '{missing[0]}' does" if len(missing) == 1 else f"IDs '{', '.join(missing)}' do"
        raise Refusal("InvalidInstanceID.NotFound", f"The instance {some} not exist")
    return [records[machine_id] for machine_id in dict.fromkeys(ids)]


def state(record: Record, allowed: tuple[str, ...], done: str) -> None:
    """Check that the instance is in one of the states from which it can be `done`.

    Raises:
        Refusal: `IncorrectInstanceState`.
    """
    if record.state not in allowed:
        message = f"The instance '{record.id}' is not in a state from which it can be {done}."
        raise Refusal("IncorrectInstanceState", message)


def dry_run(call: Call) -> None:
    """End a dry run that has come this far.

    Raises:
        Refusal: `DryRunOperation`, HTTP 412, which means that it would have succeeded.
    """
    if call.dry_run:
        message = "Request would have succeeded, but DryRun flag is set."
        raise Refusal("DryRunOperation", message, 412)


def _only_what_is_here(call: Call) -> None:
    for name in call.params:
        if name.startswith(("LaunchTemplate.", "InstanceMarketOptions.")):
            message = f"This emulator has no {name.partition('.')[0]}."
            raise Refusal("UnsupportedOperation", message)


def _image(call: Call, backend: Any) -> None:
    image = call.params.get("ImageId", "")
    if not image:
        raise Refusal("MissingParameter", "The request must contain the parameter ImageId")
    if image and not re.fullmatch(r"ami-[0-9a-f]+", image):
        raise Refusal("InvalidAMIID.Malformed", f'Invalid id: "{image}" (expecting "ami-...")')
    if image and image not in backend.amis:
        raise Refusal("InvalidAMIID.NotFound", f"The image id '[{image}]' does not exist")


def _zone(call: Call, backend: Any, region: str) -> str:
    subnet = call.params.get("SubnetId") or call.params.get("NetworkInterface.1.SubnetId")
    if subnet:
        return str(backend.get_subnet(subnet).availability_zone)
    return call.params.get("Placement.AvailabilityZone", region + "a")


def _groups(call: Call, backend: Any) -> None:
    named = call.numbered("SecurityGroupId") + call.numbered("NetworkInterface.1.SecurityGroupId")
    for group in named:
        if backend.get_security_group_from_id(group) is None:
            message = f"The security group '{group}' does not exist"
            raise Refusal("InvalidGroup.NotFound", message)


def _user_data(call: Call) -> bytes:
    try:
        raw = base64.b64decode(call.params.get("UserData", ""), validate=True)
    except binascii.Error:
        message = "Invalid BASE64 encoding of user data."
        raise Refusal("InvalidUserData.Malformed", message) from None
    if len(raw) > USER_DATA_BYTES:
        message = f"User data is limited to {USER_DATA_BYTES} bytes"
        raise Refusal("InvalidParameterValue", message)
    return raw

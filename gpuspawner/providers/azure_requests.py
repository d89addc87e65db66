"""What is sent to Azure. Pure: a request of ours in, the whole of Azure's request out.

One write makes a student's machine: disk and network interface are declared inside it, so neither
can be left behind by a crash between two calls. A replay is identical to the byte: nothing here
depends on the time or on chance, and a print of the whole request is in its tags.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from collections.abc import Mapping
from typing import Any

from gpuspawner.errors import InvalidSpec
from gpuspawner.providers import tags as words
from gpuspawner.providers.base import HomeRequest, MachineRequest
from gpuspawner.providers.user_data import LIMIT
from gpuspawner.settings.azure_record import AzureRecord

ADMIN = "gpuspawner"
"""The first user that Azure insists on; whether anybody can log in as it is the key's business."""

NETWORK_API_VERSION = "2022-11-01"
HOME_LUN = 0
REQUEST = "gpuspawner:request"
"""The tag with the print of the request that a machine was made by."""

_SUFFIX = "-os"
_KEY_TYPE = b"ssh-ed25519"


def machine_name(request: MachineRequest) -> str:
    """The name of an intent's machine: the same for a replay, and for no other intent."""
    return f"{request.claim}-{request.intent.replace('-', '')[:12]}".lower()


def os_disk_name(machine: str) -> str:
    """The name of a machine's own disk."""
    return machine + _SUFFIX


def owner_of_os_disk(disk: str) -> str | None:
    """The machine that a disk of that name is or was the own one of; None for another disk."""
    return disk[: -len(_SUFFIX)] if disk.endswith(_SUFFIX) else None


def home_name(request: HomeRequest) -> str:
    """The name of a home: the same for the same token."""
    return f"{request.claim}-{hashlib.sha256(request.token.encode()).hexdigest()[:12]}".lower()


def machine(request: MachineRequest, record: AzureRecord, hub_id: str) -> dict[str, Any]:
    """The body of the PUT that makes one machine, with its own disk and its interface.

    No identity: students are root there. No public address. Both go with the machine.

    Raises:
        InvalidSpec: the user data is too long, or the region has no subnet.
    """
    if len(request.user_data) > LIMIT:
        raise InvalidSpec(f"the user data is {len(request.user_data)} bytes; {LIMIT} are allowed")
    region = request.placement.region
    if region not in record.subnets:
        raise InvalidSpec(f"Azure.subnets has no subnet for {region}")
    name = machine_name(request)
    tags = {
        **record.tags,
        words.HUB: hub_id,
        words.CLAIM: request.claim,
        words.INTENT: request.intent,
        words.OWNER: request.owner_id,
        words.ROLE: words.MACHINE,
    }
    body: dict[str, Any] = {
        "location": region,
        "tags": tags,
        "properties": {
            "hardwareProfile": {"vmSize": request.placement.size},
            "storageProfile": {
                "imageReference": image_reference(request.image),
                "osDisk": {
                    "name": os_disk_name(name),
                    "createOption": "FromImage",
                    "caching": "ReadWrite",
                    "diskSizeGB": request.disk_gib,
                    "managedDisk": {"storageAccountType": record.disk_type},
                    "deleteOption": "Delete",
                },
            },
            "osProfile": _os_profile(request, record, name),
            "networkProfile": _network(name, record.subnets[region], tags),
            # Azure keeps the console's text only when told to.
            "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},
        },
    }
    if zones := zones_of(request.placement.zone):
        body["zones"] = zones
    if record.security_type == "TrustedLaunch":
        body["properties"]["securityProfile"] = {
            "securityType": "TrustedLaunch",
            "uefiSettings": {"secureBootEnabled": False, "vTpmEnabled": True},
        }
    tags[REQUEST] = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:32]
    return body


def home(request: HomeRequest, record: AzureRecord, hub_id: str) -> dict[str, Any]:
    """The body of the PUT that makes a home."""
    body: dict[str, Any] = {
        "location": request.region,
        "sku": {"name": record.disk_type},
        "tags": {
            **record.tags,
            words.HUB: hub_id,
            words.CLAIM: request.claim,
            words.OWNER: request.owner_id,
            words.ROLE: words.HOME,
        },
        "properties": {
            "creationData": {"createOption": "Empty"},
            "diskSizeGB": request.size_gib,
            "networkAccessPolicy": "DenyAll",
            "publicNetworkAccess": "Disabled",
        },
    }
    if zones := zones_of(request.zone):
        body["zones"] = zones
    return body


def attachment(disk_id: str) -> dict[str, Any]:
    """The body that attaches a home, which outlives its machine."""
    disk = {"diskId": disk_id, "lun": HOME_LUN, "caching": "None", "deleteOption": "Detach"}
    return {"dataDisksToAttach": [disk]}


def resize(size: str) -> dict[str, Any]:
    """The body that gives a machine another size."""
    return {"properties": {"hardwareProfile": {"vmSize": size}}}


def image_reference(image: str) -> dict[str, str]:
    """An image in Azure's words: `publisher:offer:sku:version`, or the id of a gallery's version.

    Raises:
        InvalidSpec: it is neither.
    """
    if image.startswith("/"):
        return {"id": image}
    parts = image.split(":")
    if len(parts) != 4 or not all(parts):
        raise InvalidSpec(f"{image!r} is neither publisher:offer:sku:version nor a gallery's id")
    return dict(zip(("publisher", "offer", "sku", "version"), parts, strict=True))


def zones_of(zone: str) -> list[str]:
    """`koreacentral-1` as Azure has it, `["1"]`; a region without zones is its own."""
    _, found, number = zone.rpartition("-")
    return [number] if found else []


def zone_name(region: str, zones: Any) -> str:
    """A zone with its region, as Kubernetes on Azure writes it: alone, every region has a zone 1."""
    return f"{region}-{zones[0]}" if zones else region


def _os_profile(request: MachineRequest, record: AzureRecord, name: str) -> Mapping[str, Any]:
    key = record.ssh_public_key or _nobodys_key(request.intent)
    path = f"/home/{ADMIN}/.ssh/authorized_keys"
    return {
        "computerName": name,
        "adminUsername": ADMIN,
        "customData": base64.b64encode(request.user_data).decode("ascii"),
        "linuxConfiguration": {
            "disablePasswordAuthentication": True,
            "ssh": {"publicKeys": [{"path": path, "keyData": key}]},
        },
    }


def _network(name: str, subnet: str, tags: Mapping[str, str]) -> dict[str, Any]:
    address = {"name": "primary", "properties": {"primary": True, "subnet": {"id": subnet}}}
    interface = {
        "name": name,
        "tags": dict(tags),
        "properties": {"primary": True, "deleteOption": "Delete", "ipConfigurations": [address]},
    }
    return {
        "networkApiVersion": NETWORK_API_VERSION,
        "networkInterfaceConfigurations": [interface],
    }


def _nobodys_key(intent: str) -> str:
    """A public key whose private half does not exist: Azure takes no Linux machine without one."""
    point = hashlib.sha256(b"gpuspawner: nobody logs in here: " + intent.encode()).digest()
    packed = b"".join(struct.pack(">I", len(part)) + part for part in (_KEY_TYPE, point))
    return f"{_KEY_TYPE.decode()} {base64.b64encode(packed).decode('ascii')} nobody"

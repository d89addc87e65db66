"""How the emulated Azure shows what it keeps: the resources as they go over the wire.

What it fills in by itself, and how it words a state, is as in recorded answers of Azure's (azure-cli,
2020); `docs/explain/azure-replay.md` has what is still different, and why.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from gpuspawner.emulator.arm_records import DISK, NIC, VM, Disk, Nic, Vm
from gpuspawner.emulator.clock_ import text

_POWER = {
    "starting": "VM starting",
    "running": "VM running",
    "stopping": "VM stopping",
    "stopped": "VM stopped",
    "deallocating": "VM deallocating",
    "deallocated": "VM deallocated",
}
_CREATE_OPTIONS = {one.lower(): one for one in ("FromImage", "Empty", "Attach", "Copy", "Restore")}
_AGENT = "2.15.0.1"


def machine(vm: Vm, *, run_time: bool = False) -> dict[str, Any]:
    """The resource, with its run-time state if asked for."""
    interfaces = [
        {
            "id": nic.id,
            "properties": {
                "primary": True,
                "deleteOption": "Delete" if nic.delete_with_machine else "Detach",
            },
        }
        for nic in vm.nics
    ]
    properties = {
        **vm.model,
        "storageProfile": _storage(vm),
        "networkProfile": {"networkInterfaces": interfaces},
        "provisioningState": vm.provisioning,
        "vmId": vm.vm_id,
        "timeCreated": text(vm.created_at),
        **({"instanceView": view(vm)} if run_time else {}),
    }
    return {**_head(vm), "tags": dict(vm.tags), "properties": properties}


def status(vm: Vm) -> dict[str, Any]:
    """The entry of a list with `statusOnly`: it has no tags (azure-sdk-for-go, issue 18565)."""
    return {
        **_head(vm),
        "properties": {
            "provisioningState": vm.provisioning,
            "vmId": vm.vm_id,
            "instanceView": {"statuses": _statuses(vm, why=False)},
        },
    }


def view(vm: Vm) -> dict[str, Any]:
    """The run-time state. What the guest's agent tells is there while the guest runs."""
    made = text(vm.created_at)
    disks = [
        {"name": disk.name, "statuses": [{**_SUCCEEDED, "time": made}]}
        for disk in (vm.os_disk, *(disk for _, disk in sorted(vm.disks.items())))
    ]
    guest: dict[str, Any] = {}
    if vm.power == "running":
        ready = {**_SUCCEEDED, "displayStatus": "Ready", "message": "Guest Agent is running"}
        guest = {
            "computerName": vm.model["osProfile"]["computerName"],
            "osName": "ubuntu",
            "osVersion": "24.04",
            "vmAgent": {
                "vmAgentVersion": _AGENT,
                "statuses": [{**ready, "time": text(vm.since)}],
                "extensionHandlers": [],
            },
        }
    elif vm.boots > 1:
        silent = {
            "code": "ProvisioningState/Unavailable",
            "level": "Warning",
            "displayStatus": "Not Ready",
            "message": "VM status blob is found but not yet populated.",
            "time": made,
        }
        guest = {"vmAgent": {"vmAgentVersion": "Unknown", "statuses": [silent]}}
    return {**guest, "disks": disks, "hyperVGeneration": "V2", "statuses": _statuses(vm, why=True)}


def disk(one: Disk) -> dict[str, Any]:
    """The resource."""
    state = "Unattached" if not one.owner else "Reserved" if one.reserved else "Attached"
    properties: dict[str, Any] = {
        "creationData": {"createOption": "FromImage" if one.os else "Empty"},
        "diskSizeGB": one.gib,
        "diskSizeBytes": one.gib << 30,
        "diskState": state,
        "provisioningState": "Succeeded",
        "timeCreated": text(one.created_at),
        "uniqueId": one.unique,
    }
    if one.os:
        properties["osType"] = "Linux"
    if one.owned_at is not None:
        properties["LastOwnershipUpdateTime"] = text(one.owned_at)
    return {
        "id": one.id,
        "name": one.name,
        "type": DISK,
        "location": one.location,
        "sku": {"name": one.sku, "tier": "Premium" if "Premium" in one.sku else "Standard"},
        "tags": dict(one.tags),
        "properties": properties,
        **({"zones": list(one.zones)} if one.zones else {}),
        **({"managedBy": one.owner_id} if one.owner_id else {}),
    }


def nic(one: Nic) -> dict[str, Any]:
    """The resource."""
    etag = f'W/"{uuid.uuid5(uuid.NAMESPACE_URL, f"{one.id} {one.owner_id}")}"'
    guid = uuid.uuid5(uuid.NAMESPACE_URL, one.id)
    configuration = {
        "name": one.configuration,
        "id": f"{one.id}/ipConfigurations/{one.configuration}",
        "etag": etag,
        "type": f"{NIC}/ipConfigurations",
        "properties": {
            "primary": True,
            "privateIPAddress": one.address,
            "privateIPAddressVersion": "IPv4",
            "privateIPAllocationMethod": "Dynamic",
            "provisioningState": "Succeeded",
            "subnet": {"id": one.subnet},
        },
    }
    properties: dict[str, Any] = {
        "provisioningState": "Succeeded",
        "resourceGuid": str(guid),
        "ipConfigurations": [configuration],
        "dnsSettings": {
            "dnsServers": [],
            "appliedDnsServers": [],
            "internalDomainNameSuffix": "emulated.internal.cloudapp.net",
        },
        "enableAcceleratedNetworking": False,
        "enableIPForwarding": False,
    }
    if one.owner_id:
        mac = guid.hex[:6].upper()
        properties |= {
            "macAddress": f"00-22-48-{mac[:2]}-{mac[2:4]}-{mac[4:]}",
            "primary": True,
            "virtualMachine": {"id": one.owner_id},
        }
    return {
        "id": one.id,
        "name": one.name,
        "type": NIC,
        "etag": etag,
        "location": one.location,
        "tags": dict(one.tags),
        "properties": properties,
    }


_SUCCEEDED = {
    "code": "ProvisioningState/succeeded",
    "level": "Info",
    "displayStatus": "Provisioning succeeded",
}


def _storage(vm: Vm) -> dict[str, Any]:
    asked: Mapping[str, Any] = vm.model["storageProfile"]
    option = str(asked["osDisk"]["createOption"])
    return {
        **asked,
        "osDisk": {
            **asked["osDisk"],
            "osType": "Linux",
            "name": vm.os_disk.name,
            "createOption": _CREATE_OPTIONS.get(option.lower(), option),
            "diskSizeGB": vm.os_disk.gib,
            "managedDisk": {"id": vm.os_disk.id, "storageAccountType": vm.os_disk.sku},
        },
        "dataDisks": [
            {
                "lun": lun,
                "name": one.name,
                "createOption": one.create_option,
                "caching": one.caching,
                "managedDisk": {"id": one.id, "storageAccountType": one.sku},
                "diskSizeGB": one.gib,
                "deleteOption": "Detach" if vm.keep[one.name] else "Delete",
                "toBeDetached": False,
            }
            for lun, one in sorted(vm.disks.items())
        ],
    }


def _statuses(vm: Vm, *, why: bool) -> list[dict[str, Any]]:
    # Of power there is none before the machine was first allocated. Whether the list of all
    # has the reason of a failure is not documented, so nobody may rely on it.
    power = vm.power or ("running" if vm.boots else None)
    statuses = [_provisioning(vm, why=why)]
    if power:
        said = {"code": f"PowerState/{power}", "level": "Info", "displayStatus": _POWER[power]}
        statuses.append(said)
    return statuses


def _provisioning(vm: Vm, *, why: bool) -> dict[str, Any]:
    code = f"ProvisioningState/{vm.provisioning.lower()}"
    if vm.provisioning == "Creating":
        if vm.boots > 1:
            said = "OS provisioning in progress"
            return {
                "code": f"{code}/osProvisioningInProgress",
                "level": "Info",
                "displayStatus": said,
            }
        return {"code": code, "level": "Info", "displayStatus": "Creating"}
    failure = vm.failure if why else None
    first: dict[str, Any] = {
        "code": f"{code}/{failure[0]}" if failure else code,
        "level": "Error" if vm.failure else "Info",
        "displayStatus": f"Provisioning {vm.provisioning.lower()}",
        "time": text(vm.since),
    }
    if failure:
        first["message"] = failure[1]
    return first


def _head(vm: Vm) -> dict[str, Any]:
    zones = {"zones": [vm.zone]} if vm.zone else {}
    return {"id": vm.id, "name": vm.name, "type": VM, "location": vm.location, **zones}

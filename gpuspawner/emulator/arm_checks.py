"""What Azure looks at before it accepts a request, and how it says no."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpuspawner.emulator import arm_sizes as sizes
from gpuspawner.emulator.arm_records import Disk, Nic, Vm
from gpuspawner.emulator.arm_wire import Call, Refusal
from gpuspawner.emulator.arm_world import Seed


def group(call: Call, seed: Seed) -> None:
    """The subscription and the resource group must be ours.

    Raises:
        Refusal: there is no such subscription or group.
    """
    subscription(call, seed)
    name = call.params.get("group")
    if name is not None and name.lower() != seed.group:
        message = f"Resource group '{name}' could not be found."
        raise Refusal("ResourceGroupNotFound", message, 404)


def subscription(call: Call, seed: Seed) -> None:
    """The subscription must be ours.

    Raises:
        Refusal: there is no such subscription.
    """
    name = call.params.get("subscription", "")
    if name.lower() != seed.subscription:
        message = f"The subscription '{name}' could not be found."
        raise Refusal("SubscriptionNotFound", message, 404)


def region(body: Mapping[str, Any]) -> str:
    """The location of a resource.

    Raises:
        Refusal: it is missing or unknown.
    """
    name = str(body.get("location", "")).replace(" ", "").lower()
    if not name:
        raise Refusal("LocationRequired", "The location property is required.", 400)
    if name not in sizes.ZONES:
        message = f"The provided location '{name}' is not available for resource type."
        raise Refusal("LocationNotAvailableForResourceType", message, 400)
    return name


def known(name: str) -> sizes.Size:
    """The size of that name.

    Raises:
        Refusal: there is none.
    """
    found = sizes.named(name)
    if found is None:
        message = f"The value {name} provided for the VM size is not valid."
        raise Refusal("InvalidParameter", message, 400)
    return found


def size(call: Call, where: str) -> sizes.Size:
    """The size that a request asks for, if this subscription can have it in that region.

    Raises:
        Refusal: there is no such size, or not there.
    """
    found = known(call.params.get("size", ""))
    if where not in found.regions:
        message = (
            f"The requested VM size for resource 'Following SKUs have failed for Capacity "
            f"Restrictions: {found.name}' is currently not available in location '{where}'. "
            "Please try another size or deploy to a different location or different zone."
        )
        raise Refusal("SkuNotAvailable", message, 409)
    return found


def zone(body: Mapping[str, Any], where: str) -> str:
    """The one zone that is asked for, "" for none.

    Raises:
        Refusal: more than one, or not a zone of the region.
    """
    asked = body.get("zones") or []
    if len(asked) > 1 or not set(asked) <= set(sizes.ZONES[where]):
        message = f"The zone(s) '{', '.join(asked)}' for resource in '{where}' is not supported."
        raise Refusal("AvailabilityZoneNotSupported", message, 400)
    return str(asked[0]) if asked else ""


def machine(properties: Mapping[str, Any], seed: Seed) -> None:
    """What a new machine cannot be without.

    Raises:
        Refusal: something is missing, or names what does not exist.
    """
    profile = properties.get("osProfile") or {}
    linux = profile.get("linuxConfiguration") or {}
    for name in ("computerName", "adminUsername"):
        if not profile.get(name):
            raise Refusal("InvalidParameter", f"Required parameter '{name}' is missing.", 400)
    keys = (linux.get("ssh") or {}).get("publicKeys")
    if not keys and not profile.get("adminPassword"):
        message = (
            "Authentication using either SSH or by user name and password must be enabled in "
            "Linux profile."
        )
        raise Refusal("InvalidParameter", message, 400)
    if len(profile["computerName"]) > 64:
        raise Refusal("InvalidParameter", "computerName is longer than 64 characters.", 400)
    storage = properties.get("storageProfile") or {}
    _image(storage.get("imageReference") or {}, seed)
    if not (storage.get("osDisk") or {}).get("createOption"):
        raise Refusal("InvalidParameter", "Required parameter 'osDisk' is missing.", 400)
    for one in storage.get("dataDisks") or []:
        if str(one.get("createOption", "")).lower() != "empty" or not one.get("diskSizeGB"):
            message = "This emulator makes empty data disks with a machine, and no others."
            raise Refusal("InvalidParameter", message, 400)


def network(profile: Mapping[str, Any], nics: Mapping[str, Nic], seed: Seed, where: str) -> None:
    """The interfaces of a new machine: there and nobody's, or to be made with it.

    Raises:
        Refusal: there is none, one is another machine's, or a subnet does not exist.
    """
    known = profile.get("networkInterfaces") or []
    wanted = profile.get("networkInterfaceConfigurations") or []
    if not known and not (wanted and profile.get("networkApiVersion")):
        message = "Required parameter 'networkProfile' is missing."
        raise Refusal("InvalidParameter", message, 400)
    for one in known:
        found = nics.get(one["id"].rpartition("/")[2].lower())
        if found is None:
            raise _no_such(one["id"])
        if found.owner_id:
            message = f"Network Interface {found.id} is used by existing resource {found.owner_id}."
            raise Refusal("NicInUse", message, 400)
    for one in wanted:
        subnet(one["properties"]["ipConfigurations"][0], seed, where)


def subnet(configuration: Mapping[str, Any], seed: Seed, where: str) -> None:
    """The subnet of an IP configuration must be that of the region.

    Raises:
        Refusal: it is another.
    """
    id_ = (configuration["properties"].get("subnet") or {}).get("id")
    if str(id_).lower() != seed.subnet_id(where).lower():
        raise _no_such(str(id_))


def attachable(disk: Disk, vm: Vm) -> None:
    """Whether a data disk can go to a machine.

    Raises:
        Refusal: it is another's, or elsewhere.
    """
    if disk.owner:
        message = (
            f"Disk '{disk.name}' cannot be attached as the disk is already owned by VM "
            f"'{disk.owner_id}'."
        )
        raise Refusal("ConflictingUserInput", message, 409)
    if disk.location != vm.location or set(disk.zones) != ({vm.zone} if vm.zone else set()):
        message = (
            f"Disk '{disk.name}' cannot be attached to the VM because it is not in the same zone "
            "as the VM."
        )
        raise Refusal("BadRequest", message, 400)


def not_found(id_: str) -> Refusal:
    """There is no such resource."""
    kind, _, name = id_.rpartition("/")
    provider = "/".join(kind.rpartition("/providers/")[2].split("/")[:2])
    group = kind.lower().partition("/resourcegroups/")[2].partition("/")[0]
    message = (
        f"The Resource '{provider}/{name}' under resource group '{group}' was not found. For more "
        "details please go to https://aka.ms/ARMResourceNotFoundFix"
    )
    headers = {"x-ms-failure-cause": "gateway"}
    return Refusal("ResourceNotFound", message, 404, headers=headers)


def conflict() -> Refusal:
    """Something else is under way on the same resource."""
    message = (
        "The request failed due to conflict with a concurrent request. To resolve it, please "
        "refer to https://aka.ms/activitylog to get more details on the conflicting requests."
    )
    return Refusal("Conflict", message, 409)


def _no_such(id_: str) -> Refusal:
    message = f"Resource {id_} referenced by the resource was not found."
    return Refusal("InvalidResourceReference", message, 400)


def _image(asked: Mapping[str, Any], seed: Seed) -> None:
    if asked.get("id"):
        if asked["id"].lower() != seed.gallery_image.lower():
            message = f"The gallery image {asked['id']} is not available."
            raise Refusal("GalleryImageNotFound", message, 404)
        return
    urn = tuple(asked.get(key) for key in ("publisher", "offer", "sku"))
    known_versions = ("latest", seed.version)
    if urn != (seed.publisher, seed.offer, seed.sku) or asked.get("version") not in known_versions:
        message = f"The platform image '{':'.join(map(str, urn))}' is not available."
        raise Refusal("PlatformImageNotFound", message, 404)

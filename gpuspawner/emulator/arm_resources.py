"""The rest that is asked of Azure: disks, lists, usages, sizes, images, operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gpuspawner.emulator import arm_checks as checks
from gpuspawner.emulator import arm_pages as pages
from gpuspawner.emulator import arm_sizes as sizes
from gpuspawner.emulator import arm_views as views
from gpuspawner.emulator.arm_lifecycle import Lifecycle
from gpuspawner.emulator.arm_records import DISK, Disk
from gpuspawner.emulator.arm_wire import Answer, Call, Refusal, answer, resource_id
from gpuspawner.emulator.arm_world import World

Handler = Callable[[Call], Answer]


class Resources:
    """Handlers by action. `url` is where the emulator is reached."""

    def __init__(self, world: World, lifecycle: Lifecycle, url: Callable[[], str]) -> None:
        self._world = world
        self._lifecycle = lifecycle
        self._url = url
        self.handlers: dict[str, Handler] = {
            "Subscriptions_Get": self.subscription,
            "ResourceGroups_Get": self.group,
            "VirtualMachines_Get": self.machine,
            "VirtualMachines_InstanceView": self.view,
            "VirtualMachines_List": self.machines,
            "VirtualMachines_ListAll": self.all_machines,
            "Disks_CreateOrUpdate": self.put_disk,
            "Disks_Get": self.disk,
            "Disks_Delete": self.delete_disk,
            "Disks_ListByResourceGroup": self.disks,
            "Usage_List": self.usages,
            "ResourceSkus_List": self.skus,
            "VirtualMachineImages_List": self.versions,
            "VirtualMachineImages_Get": self.image,
            "GalleryImageVersions_Get": self.gallery_image,
            "Operations_Get": self.operation,
        }

    def subscription(self, call: Call) -> Answer:
        """The subscription itself."""
        checks.subscription(call, self._world.seed)
        seed = self._world.seed
        content = {
            "id": f"/subscriptions/{seed.subscription}",
            "subscriptionId": seed.subscription,
            "tenantId": seed.tenant,
            "displayName": "Emulated",
            "state": "Enabled",
        }
        return answer(200, content)

    def group(self, call: Call) -> Answer:
        """The one resource group."""
        checks.group(call, self._world.seed)
        seed = self._world.seed
        content = {
            "id": f"/subscriptions/{seed.subscription}/resourceGroups/{seed.group}",
            "name": seed.group,
            "type": "Microsoft.Resources/resourceGroups",
            "location": seed.regions[0],
            "properties": {"provisioningState": "Succeeded"},
        }
        return answer(200, content)

    def machine(self, call: Call) -> Answer:
        """One machine, with its run-time state if asked for."""
        checks.group(call, self._world.seed)
        vm = self._world.vms.get(call.params["name"].lower())
        if vm is None:
            raise checks.not_found(call.path)
        wanted = call.params.get("$expand", "").lower() == "instanceview"
        return answer(200, views.machine(vm, run_time=wanted))

    def view(self, call: Call) -> Answer:
        """The run-time state of one machine."""
        checks.group(call, self._world.seed)
        vm = self._world.vms.get(call.params["name"].lower())
        if vm is None:
            raise checks.not_found(call.path.rpartition("/")[0])
        return answer(200, views.view(vm))

    def machines(self, call: Call) -> Answer:
        """The machines of the group, without their run-time state."""
        checks.group(call, self._world.seed)
        return pages.page(call, self._url(), [views.machine(vm) for vm in self._listed()])

    def all_machines(self, call: Call) -> Answer:
        """All machines; with `statusOnly`, little but their run-time state."""
        checks.subscription(call, self._world.seed)
        only = call.params.get("statusOnly", "").lower() == "true"
        shown = views.status if only else views.machine
        return pages.page(call, self._url(), [shown(vm) for vm in self._listed()])

    def put_disk(self, call: Call) -> Answer:
        """Create an empty disk; one that exists may only change its tags."""
        checks.group(call, self._world.seed)
        body, name = call.body, call.params["name"]
        region = checks.region(body)
        properties = body.get("properties") or {}
        gib = properties.get("diskSizeGB")
        if (properties.get("creationData") or {}).get("createOption") != "Empty" or not gib:
            message = "This emulator makes empty disks of a size that is given."
            raise Refusal("InvalidParameter", message, 400)
        disk = self._world.disks.get(name.lower())
        if disk is not None:
            if (disk.location, disk.gib) != (region, gib):
                message = f"Changing the location or size of '{name}' is not allowed."
                raise Refusal("PropertyChangeNotAllowed", message, 409)
            disk.tags = dict(body.get("tags") or {})
            return answer(200, views.disk(disk))
        zone = checks.zone(body, region)
        group, subscription = call.params["group"], self._world.seed.subscription
        disk = Disk(
            resource_id(subscription, group, DISK, name), name, group, region,
            (zone,) if zone else (), int(gib), (body.get("sku") or {}).get("name", "Standard_LRS"),
            self._world.clock.now(), dict(body.get("tags") or {}),
        )  # fmt: skip
        self._lifecycle.disk_made(disk)
        return answer(200, views.disk(disk))

    def disk(self, call: Call) -> Answer:
        """One disk."""
        return answer(200, views.disk(self._disk(call)))

    def delete_disk(self, call: Call) -> Answer:
        """Delete a disk that is attached to nothing."""
        checks.group(call, self._world.seed)
        disk = self._world.disks.get(call.params["name"].lower())
        if disk is None:
            return answer(204)
        if disk.owner:
            message = f"Disk {disk.name} is attached to VM {disk.owner_id}."
            raise Refusal("OperationNotAllowed", message, 409)
        self._lifecycle.disk_gone(disk, self._world.clock.now())
        return answer(200)

    def disks(self, call: Call) -> Answer:
        """The disks of the group."""
        checks.group(call, self._world.seed)
        return pages.page(
            call, self._url(), [views.disk(disk) for disk in self._world.disks.values()]
        )

    def usages(self, call: Call) -> Answer:
        """Quotas and what is used of them; deallocated machines use them, too."""
        checks.subscription(call, self._world.seed)
        region = call.params["location"].lower()
        used, limits = self._world.usages(region), self._world.faults.settings.quotas
        shown = {sizes.CORES: "Total Regional vCPUs", **sizes.FAMILIES}
        value = [
            {
                "name": {"value": name, "localizedValue": shown[name]},
                "unit": "Count",
                "currentValue": used[name],
                "limit": int(limits[name]),
            }
            for name in limits
        ]
        many = {"value": "virtualMachines", "localizedValue": "Virtual Machines"}
        current = used["virtualMachines"]
        value.append({"name": many, "unit": "Count", "currentValue": current, "limit": 25000})
        return answer(200, {"value": value})

    def skus(self, call: Call) -> Answer:
        """The sizes, of one region if the filter says so."""
        checks.subscription(call, self._world.seed)
        wanted = call.params.get("$filter", "").partition("location eq ")[2].strip("' ")
        value = [
            sizes.sku(size, region)
            for region in sizes.ZONES
            for size in sizes.SIZES.values()
            if region in size.regions and wanted.lower() in ("", region)
        ]
        return answer(200, {"value": value})

    def versions(self, call: Call) -> Answer:
        """The versions of the marketplace image, the newest first if asked for."""
        self._image(call)
        return answer(200, [self._version(call)])

    def image(self, call: Call) -> Answer:
        """One version of the marketplace image."""
        self._image(call)
        if call.params["version"] != self._world.seed.version:
            raise Refusal("NotFound", f"Artifact: VMImage was not found: {call.path}", 404)
        properties = {"hyperVGeneration": "V2", "osDiskImage": {"operatingSystem": "Linux"}}
        return answer(200, {**self._version(call), "properties": properties})

    def gallery_image(self, call: Call) -> Answer:
        """The one image of the class's own."""
        checks.group(call, self._world.seed)
        id_ = self._world.seed.gallery_image
        if call.path.lower() != id_.lower():
            raise checks.not_found(call.path)
        region = self._world.seed.regions[0]
        properties = {"provisioningState": "Succeeded"}
        name = call.params["version"]
        return answer(200, {"id": id_, "name": name, "location": region, "properties": properties})

    def operation(self, call: Call) -> Answer:
        """How an operation stands; as `monitor`, 202 until it is over."""
        operation = self._world.operations.get(call.params["operation"])
        if operation is None:
            raise Refusal("NotFound", "The entity was not found.", 404)
        if call.params.get("monitor") == "true":
            return answer(202 if operation.status == "InProgress" else 200)
        return answer(200, operation.shown())

    def _listed(self) -> Sequence[Any]:
        hidden = self._world.faults.settings.hidden
        now = self._world.clock.now()
        return [vm for vm in self._world.vms.values() if now >= vm.created_at + hidden]

    def _disk(self, call: Call) -> Disk:
        checks.group(call, self._world.seed)
        disk = self._world.disks.get(call.params["name"].lower())
        if disk is None:
            raise checks.not_found(call.path)
        return disk

    def _image(self, call: Call) -> None:
        checks.subscription(call, self._world.seed)
        seed, params = self._world.seed, call.params
        asked = (params["publisher"], params["offer"], params["sku"])
        if asked != (seed.publisher, seed.offer, seed.sku):
            raise Refusal("NotFound", f"Artifact: VMImage was not found: {call.path}", 404)

    def _version(self, call: Call) -> dict[str, Any]:
        version = self._world.seed.version
        path = call.path.rpartition("/versions")[0]
        return {
            "id": f"{path}/Versions/{version}",
            "name": version,
            "location": call.params["location"],
        }

"""What Azure's compute service does about machines, call by call."""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from gpuspawner.emulator import arm_checks as checks
from gpuspawner.emulator import arm_network as network
from gpuspawner.emulator import arm_views as views
from gpuspawner.emulator.arm_lifecycle import Lifecycle
from gpuspawner.emulator.arm_records import DISK, VM, Disk, Operation, Vm
from gpuspawner.emulator.arm_wire import Answer, Call, Refusal, answer, resource_id
from gpuspawner.emulator.arm_world import World

Handler = Callable[[Call], Answer]

_DISK_TYPE = "Premium_LRS"
"""What a disk is when nobody says, of sizes that can have it, as all of ours can."""


class Machines:
    """Handlers by action. `url` is where the emulator is reached."""

    def __init__(self, world: World, lifecycle: Lifecycle, url: Callable[[], str]) -> None:
        self._world = world
        self._lifecycle = lifecycle
        self._url = url
        self.handlers: dict[str, Handler] = {
            "VirtualMachines_CreateOrUpdate": self.put,
            "VirtualMachines_Update": self.patch,
            "VirtualMachines_Delete": self.delete,
            "VirtualMachines_Start": self.start,
            "VirtualMachines_Deallocate": self.deallocate,
            "VirtualMachines_PowerOff": self.power_off,
            "VirtualMachines_Restart": self.restart,
            "VirtualMachines_AttachDetachDataDisks": self.disks,
            "VirtualMachines_RetrieveBootDiagnosticsData": self.console,
        }

    def put(self, call: Call) -> Answer:
        """Create a machine with its disk and interface; one that exists may only change its tags."""
        if (vm := self._find(call)) is not None:
            if call.headers.get("if-none-match") == "*":
                message = f"The resource {vm.name} exists already; If-None-Match is *."
                raise Refusal("PreconditionFailed", message, 412)
            return self._changed(vm, call)
        body, properties = call.body, call.body.get("properties") or {}
        region = checks.region(body)
        checks.machine(properties, self._world.seed)
        profile = properties.get("networkProfile") or {}
        checks.network(profile, self._world.nics, self._world.seed, region)
        size = checks.size(call, region)
        zone = checks.zone(body, region)
        self._world.admit_quota(size, region)
        late = self._room(size.name, region, zone)
        vm = self._made(call, properties, region, zone)
        operation = self._lifecycle.create(vm, late)
        return answer(201, views.machine(vm), self._headers(operation))

    def patch(self, call: Call) -> Answer:
        """Another size, other tags."""
        return self._changed(self._get(call), call)

    def delete(self, call: Call) -> Answer:
        """Delete; what does not exist is deleted already."""
        if (vm := self._find(call)) is None:
            return answer(204)
        if vm.provisioning == "Deleting" and vm.operation:
            return self._accepted(vm.operation)
        return self._accepted(self._lifecycle.delete(vm))

    def start(self, call: Call) -> Answer:
        """Start; what runs is left alone."""
        vm = self._idle(call)
        if vm.power == "running":
            return self._accepted(self._lifecycle.update(vm))
        late = None
        if not vm.allocated:
            late = self._room(vm.size.name, vm.location, vm.zone)
        return self._accepted(self._lifecycle.start(vm, late))

    def deallocate(self, call: Call) -> Answer:
        """Deallocate, from any state but Deleting, whatever else is under way."""
        vm = self._get(call)
        if vm.provisioning == "Deleting":
            raise checks.conflict()
        if vm.power == "deallocating" and vm.operation:
            return self._accepted(vm.operation)
        if vm.power == "deallocated" and not vm.busy:
            return self._accepted(self._lifecycle.update(vm))
        return self._accepted(self._lifecycle.deallocate(vm))

    def power_off(self, call: Call) -> Answer:
        """Switch off, and keep the hardware."""
        vm = self._idle(call)
        if vm.power != "running":
            return self._accepted(self._lifecycle.update(vm))
        return self._accepted(self._lifecycle.power_off(vm))

    def restart(self, call: Call) -> Answer:
        """Restart what runs."""
        vm = self._idle(call)
        if vm.power != "running":
            message = f"Cannot restart VM '{vm.name}': it is not running."
            raise Refusal("OperationNotAllowed", message, 409)
        return self._accepted(self._lifecycle.restart(vm))

    def disks(self, call: Call) -> Answer:
        """Attach and detach data disks."""
        vm = self._idle(call)
        attach = call.body.get("dataDisksToAttach") or []
        detach = call.body.get("dataDisksToDetach") or []
        found = [(self._disk(one, vm), one) for one in attach]
        for one in detach:
            wanted = one["diskId"].lower()
            for lun in [at for at, disk in vm.disks.items() if disk.id.lower() == wanted]:
                self._lifecycle.detach(vm, lun)
        for disk, one in found:
            lun = one.get("lun")
            disk.create_option, disk.caching = "Attach", one.get("caching", "None")
            free = next(at for at in range(64) if at not in vm.disks)
            keep = one.get("deleteOption", "Detach") == "Detach"
            self._lifecycle.attach(vm, disk, free if lun is None else lun, keep=keep)
        return self._accepted(self._lifecycle.update(vm))

    def console(self, call: Call) -> Answer:
        """Where the console's text is: an address with its own signature."""
        vm = self._get(call)
        enabled = (vm.model.get("diagnosticsProfile") or {}).get("bootDiagnostics") or {}
        if not enabled.get("enabled"):
            raise Refusal("ResourceNotFound", "Boot diagnostics is not enabled.", 404)
        url = f"{self._url()}/_blob/{quote(vm.name)}/serialconsole.log?sig=emulated"
        return answer(200, {"serialConsoleLogBlobUri": url, "consoleScreenshotBlobUri": url})

    def _changed(self, vm: Vm, call: Call) -> Answer:
        properties = call.body.get("properties") or {}
        if "tags" in call.body:
            vm.tags = dict(call.body["tags"])
        custom = (properties.get("osProfile") or {}).get("customData")
        if custom is not None and _decoded(custom) != vm.user_data:
            message = "Changing property 'osProfile.customData' is not allowed."
            raise Refusal("PropertyChangeNotAllowed", message, 409)
        wanted = (properties.get("hardwareProfile") or {}).get("vmSize")
        resizes = (wanted or vm.size.name).lower() != vm.size.name.lower()
        if vm.busy and vm.operation and vm.provisioning == "Creating" and not resizes:
            # As recorded: other tags are taken while the machine is being made, which goes on.
            shown = views.machine(vm)
            shown["properties"]["provisioningState"] = "Updating"
            return answer(200, shown, self._headers(vm.operation))
        if vm.busy:
            raise checks.conflict()
        if resizes:
            size = checks.size(call, vm.location)
            self._world.admit_quota(size, vm.location, besides=vm)
            operation = self._lifecycle.resize(vm, size)
        else:
            operation = self._lifecycle.update(vm)
        return answer(200, views.machine(vm), self._headers(operation))

    def _made(self, call: Call, properties: Mapping[str, Any], region: str, zone: str) -> Vm:
        world, now = self._world, self._world.clock.now()
        name, group = call.params["name"], call.params["group"]
        storage = properties["storageProfile"]
        os_disk = storage["osDisk"]
        id_ = self._id(call, VM, name)
        custom = properties["osProfile"].get("customData", "")
        disk_name = os_disk.get("name") or f"{name}_disk1_{uuid.uuid4().hex}"
        sku = (os_disk.get("managedDisk") or {}).get("storageAccountType") or _DISK_TYPE
        disk = Disk(
            self._id(call, DISK, disk_name), disk_name, group, region, (zone,) if zone else (),
            int(os_disk.get("diskSizeGB", 64)), sku, now, {}, os=True, owner=name, owner_id=id_,
        )  # fmt: skip
        vm = Vm(
            id_, name, group, region, zone, self._model(properties),
            dict(call.body.get("tags") or {}), _decoded(custom), now, disk,
            network.interfaces(world, call, region, id_),
            keep={disk_name: os_disk.get("deleteOption", "Detach") == "Detach"},
        )  # fmt: skip
        for number, one in enumerate(storage.get("dataDisks") or [], 2):
            self._with_disk(vm, one, number)
        return vm

    def _model(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        """What Azure gives back of a request, with what it fills in."""
        hidden = ("networkProfile", "userData", "osProfile")
        model = {key: value for key, value in properties.items() if key not in hidden}
        asked = properties["osProfile"]
        linux = {"disablePasswordAuthentication": not asked.get("adminPassword")}
        model["osProfile"] = {
            **{k: v for k, v in asked.items() if k not in ("customData", "adminPassword")},
            "linuxConfiguration": {
                **linux,
                **(asked.get("linuxConfiguration") or {}),
                "provisionVMAgent": True,
            },
            "secrets": [],
            "allowExtensionOperations": True,
            "requireGuestProvisionSignal": True,
        }
        image = properties["storageProfile"].get("imageReference") or {}
        if "publisher" in image:
            image = {**image, "exactVersion": self._world.seed.version}
        model["storageProfile"] = {**properties["storageProfile"], "imageReference": image}
        return model

    def _with_disk(self, vm: Vm, asked: Mapping[str, Any], number: int) -> None:
        """A new empty data disk that is made with its machine."""
        name = asked.get("name") or f"{vm.name}_disk{number}_{uuid.uuid4().hex}"
        sku = (asked.get("managedDisk") or {}).get("storageAccountType") or _DISK_TYPE
        id_ = resource_id(self._world.seed.subscription, vm.group, DISK, name)
        disk = Disk(
            id_, name, vm.group, vm.location, vm.os_disk.zones, int(asked["diskSizeGB"]), sku,
            vm.created_at, {}, create_option="Empty", caching=asked.get("caching", "None"),
        )  # fmt: skip
        self._lifecycle.disk_made(disk)
        keep = asked.get("deleteOption", "Detach") == "Detach"
        self._lifecycle.attach(vm, disk, int(asked["lun"]), keep=keep)

    def _room(self, size: str, region: str, zone: str) -> Refusal | None:
        known = checks.known(size)
        short = self._world.short_of(known, region, zone)
        if short is None:
            return None
        error, late = short
        if not late:
            raise error
        return error

    def _disk(self, asked: Mapping[str, Any], vm: Vm) -> Disk:
        disk = self._world.disks.get(asked["diskId"].rpartition("/")[2].lower())
        if disk is None or disk.id.lower() != asked["diskId"].lower():
            raise checks.not_found(asked["diskId"])
        checks.attachable(disk, vm)
        return disk

    def _find(self, call: Call) -> Vm | None:
        checks.group(call, self._world.seed)
        return self._world.vms.get(call.params["name"].lower())

    def _get(self, call: Call) -> Vm:
        vm = self._find(call)
        if vm is None:
            raise checks.not_found(call.path)
        return vm

    def _idle(self, call: Call) -> Vm:
        vm = self._get(call)
        if vm.busy:
            raise checks.conflict()
        return vm

    def _id(self, call: Call, kind: str, name: str) -> str:
        return resource_id(self._world.seed.subscription, call.params["group"], kind, name)

    def _accepted(self, operation: Operation) -> Answer:
        headers = self._headers(operation)
        location = headers["Azure-AsyncOperation"] + "&monitor=true"
        return answer(202, None, {**headers, "Location": location})

    def _headers(self, operation: Operation) -> dict[str, str]:
        base = f"{self._url()}/subscriptions/{self._world.seed.subscription}"
        place = f"/providers/Microsoft.Compute/locations/{operation.location}/operations/"
        headers = {
            "Azure-AsyncOperation": f"{base}{place}{operation.id}?p=1&api-version=2026-04-01",
            "Azure-AsyncNotification": "Enabled",
        }
        if self._world.retry_after is not None:
            headers["Retry-After"] = str(self._world.retry_after)
        return headers


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        message = "Custom data in OSProfile must be in Base64 encoding."
        raise Refusal("InvalidParameter", message, 400) from error

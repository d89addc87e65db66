"""What the emulated Azure says of itself and its machines below `/_emulator/`."""

from __future__ import annotations

from typing import Any

from gpuspawner.emulator.arm_lifecycle import Lifecycle
from gpuspawner.emulator.arm_records import Vm
from gpuspawner.emulator.arm_sizes import SIZES
from gpuspawner.emulator.arm_wire import Refusal
from gpuspawner.emulator.arm_world import World
from gpuspawner.emulator.clock_ import text


class Front:
    """Implements `gpuspawner.emulator.api.Front`."""

    def __init__(self, world: World, lifecycle: Lifecycle) -> None:
        self._world = world
        self._lifecycle = lifecycle

    def seed(self) -> dict[str, Any]:
        """Ids and names, sizes with prices, and how machines are kept apart."""
        prices = self._world.bill.prices
        sizes = [
            {
                "type": size.name,
                "gpu": size.gpu,
                "vcpus": size.vcpus,
                "price_per_hour": prices.machine(size.name) / 1_000_000,
            }
            for size in SIZES.values()
            if size.gpus
        ]
        about = {"sizes": sizes, "separation": self._world.host.separation}
        return {**self._world.seed.to_json(), **about}

    def machines(self) -> list[dict[str, Any]]:
        """Every machine, those that are deleted too."""
        return [self._shown(vm) for vm in (*self._world.vms.values(), *self._world.deleted)]

    def machine(self, machine_id: str) -> dict[str, Any] | None:
        """One machine."""
        vm = self._world.vms.get(machine_id.lower())
        return self._shown(vm) if vm else None

    def events(self) -> list[dict[str, Any]]:
        """What has happened to machines."""
        return self._world.events

    def power(self, machine_id: str, action: str) -> None:
        """As from the portal, where stop means deallocate; or with `off` from inside the machine.

        Raises:
            Refusal: its state forbids it.
        """
        vm = self._world.vms[machine_id.lower()]
        if action == "off":
            if vm.power != "running":
                raise Refusal("Conflict", f"{machine_id} is {vm.power}: nobody is inside.", 409)
            self._lifecycle.powered(machine_id, "poweroff")
        elif action == "terminate":
            self._lifecycle.delete(vm)
        elif action == "stop":
            self._lifecycle.deallocate(vm)
        elif vm.busy or (action == "start") == (vm.power == "running"):
            raise Refusal("Conflict", f"{machine_id} is {vm.power}.", 409)
        elif action == "start":
            self._lifecycle.start(vm, None)
        else:
            self._lifecycle.restart(vm)

    def _shown(self, vm: Vm) -> dict[str, Any]:
        state = vm.power or vm.provisioning.lower()
        if vm.provisioning == "Deleting":
            state = "deleting"
        if self._world.vms.get(vm.name.lower()) is not vm:
            state = "deleted"
        return {
            "id": vm.name,
            "state": state,
            "type": vm.size.name,
            "zone": f"{vm.location}-{vm.zone}" if vm.zone else vm.location,
            "address": vm.nics[0].address if vm.nics else "",
            "tags": dict(vm.tags),
            "volumes": sorted(disk.name for disk in vm.disks.values()),
            "created": text(vm.created_at),
            "since": text(vm.since),
        }

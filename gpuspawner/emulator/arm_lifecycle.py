"""The states of machines, and how they pass from one to the next as the emulated clock goes on.

    PUT → Creating → running → deallocating → deallocated → starting → running → …
                        └→ stopping → stopped (billed) ┘        any state → Deleting → gone

A change that is asked for is accepted at once, with an operation, and happens when its time has
passed *and* the machine's host has done its part. An allocation can fail then, too. Billed are
starting, running, stopping and stopped (Microsoft, "States and billing status of Azure Virtual
Machines"): `poweroff` inside a machine saves nothing.

Everything here runs under the one lock of the world.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from gpuspawner.emulator.arm_prices import tier_gib
from gpuspawner.emulator.arm_records import Disk, Operation, Vm
from gpuspawner.emulator.arm_sizes import Size
from gpuspawner.emulator.arm_wire import Refusal
from gpuspawner.emulator.arm_world import World
from gpuspawner.emulator.behaviours import CLAIM_TAG
from gpuspawner.emulator.jobs import Work

_WAITS_FOR_HOST = frozenset({"deallocate", "powerOff", "delete"})


class Lifecycle:
    """What can happen to the machines of one subscription."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._settling = False
        self._then: dict[str, Callable[[Vm, float], None]] = {}
        world.on_power = self.powered
        world.do_due = self.settle

    def create(self, vm: Vm, late: Refusal | None) -> Operation:
        """A new machine has been accepted. It is not billed until it runs."""
        world, now = self._world, self._world.clock.now()
        world.vms[vm.name.lower()] = vm
        self.disk_made(vm.os_disk)
        vm.os_disk.hands(now, reserved=False)
        vm.provisioning, vm.since, vm.idle_since = "Creating", now, now
        vm.allocated = late is None
        world.tell(vm, "created", now)
        seconds = world.faults.settings.times.pending
        return self._begin(vm, "create", seconds, self._runs, late=late)

    def start(self, vm: Vm, late: Refusal | None) -> Operation:
        """Allocate a machine again, or switch on one that is off but allocated."""
        world, now = self._world, self._world.clock.now()
        vm.power = "starting"
        world.tell(vm, "started", now)
        if late is None and not vm.allocated:
            world.bill.machine_runs(vm.name, vm.size.name, now)
            vm.hands(now, reserved=False)
        vm.allocated = late is None
        self._updating(vm, now)
        return self._begin(vm, "start", world.faults.settings.times.pending, self._runs, late=late)

    def deallocate(self, vm: Vm) -> Operation:
        """Give the hardware back; disks and the address stay. Ends whatever was under way."""
        world, now = self._world, self._world.clock.now()
        self._preempt(vm, now)
        vm.power = "deallocating"
        world.bill.machine_ends(vm.name, now)
        world.tell(vm, "deallocating", now)
        self._off(vm)
        self._updating(vm, now)
        seconds = world.faults.settings.times.stopping
        return self._begin(vm, "deallocate", seconds, self._deallocated)

    def power_off(self, vm: Vm) -> Operation:
        """Switch off, and go on paying."""
        world, now = self._world, self._world.clock.now()
        vm.power = "stopping"
        world.tell(vm, "stopping", now)
        self._off(vm)
        self._updating(vm, now)
        return self._begin(vm, "powerOff", world.faults.settings.times.stopping, self._stopped)

    def restart(self, vm: Vm) -> Operation:
        """Restart the operating system."""
        now = self._world.clock.now()
        self._world.tell(vm, "rebooted", now)
        self._submit(vm, lambda: self._world.host.reboot(vm.name))
        self._updating(vm, now)
        return self._begin(vm, "restart", 1, lambda _vm, _at: None)

    def resize(self, vm: Vm, size: Size) -> Operation:
        """Another size; a machine that runs is restarted with it."""
        self._updating(vm, self._world.clock.now())

        def done(vm: Vm, at: float) -> None:
            vm.model["hardwareProfile"] = {**vm.model["hardwareProfile"], "vmSize": size.name}
            self._world.tell(vm, "resized", at)
            if vm.allocated:
                self._world.bill.machine_ends(vm.name, at)
                self._world.bill.machine_runs(vm.name, size.name, at)
                self._submit(vm, lambda: self._world.host.reboot(vm.name))

        return self._begin(vm, "update", self._world.faults.settings.times.attaching, done)

    def update(self, vm: Vm) -> Operation:
        """Something that needs only a moment."""
        self._updating(vm, self._world.clock.now())
        seconds = self._world.faults.settings.times.attaching
        return self._begin(vm, "update", seconds, lambda _vm, _at: None)

    def attach(self, vm: Vm, disk: Disk, lun: int, *, keep: bool) -> None:
        """A data disk is the machine's from now on; one that runs gets the folder."""
        vm.disks[lun], vm.keep[disk.name] = disk, keep
        disk.owner, disk.owner_id = vm.name, vm.id
        disk.hands(self._world.clock.now(), reserved=vm.power in (None, "deallocated"))
        if vm.power == "running":
            folder = self.folder(disk)
            self._submit(vm, lambda: self._world.host.attach(vm.name, f"lun{lun}", folder))

    def detach(self, vm: Vm, lun: int) -> None:
        """A data disk is nobody's."""
        disk = vm.disks.pop(lun)
        if vm.power == "running":
            self._submit(vm, lambda: self._world.host.detach(vm.name, f"lun{lun}"))
        disk.free(self._world.clock.now())

    def delete(self, vm: Vm) -> Operation:
        """Delete in whatever state; what is marked so goes with it."""
        world, now = self._world, self._world.clock.now()
        self._preempt(vm, now)
        on = vm.power == "running"
        vm.provisioning, vm.since = "Deleting", now
        world.bill.machine_ends(vm.name, now)
        world.tell(vm, "deleting", now)
        if on:
            self._off(vm)
        self._submit(vm, lambda: world.host.destroy(vm.name))
        seconds = world.faults.settings.times.shutting_down
        return self._begin(vm, "delete", seconds, self._gone)

    def powered(self, machine_id: str, what: str) -> None:
        """A machine has gone off by itself: Azure calls it stopped, and goes on billing."""
        with self._world.lock:
            vm = self._world.vms.get(machine_id.lower())
            if vm is None or vm.power != "running":
                return
            now = self._world.clock.now()
            self._world.tell(vm, "stopped" if what == "poweroff" else what, now)
            if what == "poweroff":
                self._off(vm)
                vm.power = "stopped"

    def disk_made(self, disk: Disk) -> None:
        """A disk exists, and is billed by its tier."""
        self._world.disks[disk.name.lower()] = disk
        self._world.bill.disk_exists(disk.id, disk.sku, tier_gib(disk.gib), disk.created_at)
        if not disk.os:
            self.folder(disk).mkdir(parents=True, exist_ok=True)

    def disk_gone(self, disk: Disk, at: float) -> None:
        """A disk and its files are no more."""
        self._world.disks.pop(disk.name.lower(), None)
        self._world.bill.disk_is_gone(disk.id, at)
        shutil.rmtree(self.folder(disk), ignore_errors=True)

    def folder(self, disk: Disk) -> Path:
        """Where a data disk's files are."""
        return self._world.folder / "volumes" / disk.name

    def settle(self) -> None:
        """Do everything that is due by now, earliest first."""
        if self._settling:
            return
        self._settling = True
        now = self._world.clock.now()
        for vm in self._world.vms.values():
            if (one := vm.operation) and one.kind == "create" and vm.allocated:
                vm.boots = int(
                    3 * min(1.0, (now - one.started_at) / (one.due - one.started_at or 1))
                )
        try:
            while (found := self._next_due(self._world.clock.now())) is not None:
                self._happen(*found)
        finally:
            self._settling = False

    def _next_due(self, now: float) -> tuple[Vm, Operation, float] | None:
        ready = [
            (max(one.due, vm.idle_since), vm, one)
            for vm in self._world.vms.values()
            if (one := vm.operation) is not None
            and one.due <= now
            and not (vm.jobs and one.kind in _WAITS_FOR_HOST)
        ]
        if not ready:
            return None
        at, vm, operation = min(ready, key=lambda entry: entry[0])
        return vm, operation, at

    def _happen(self, vm: Vm, operation: Operation, at: float) -> None:
        vm.operation = None
        then = self._then.pop(operation.id)
        operation.ended_at, vm.since = at, at
        if operation.failure is None:
            operation.status, vm.boots = "Succeeded", 0
            vm.provisioning, vm.failure = "Succeeded", None
            then(vm, at)
            return
        operation.status = "Failed"
        vm.provisioning, vm.failure = "Failed", operation.failure
        vm.power = None if operation.kind == "create" else "deallocated"
        self._world.tell(vm, "failed", at, detail=operation.failure[0])

    def _begin(
        self,
        vm: Vm,
        kind: str,
        seconds: float,
        then: Callable[[Vm, float], None],
        late: Refusal | None = None,
    ) -> Operation:
        operation = self._world.begin(kind, vm.location, seconds)
        operation.failure = (late.code, late.message) if late else None
        vm.operation = operation
        self._then[operation.id] = then
        return operation

    def _preempt(self, vm: Vm, at: float) -> None:
        if (old := vm.operation) is not None:
            old.status, old.ended_at = "Canceled", at
            old.failure = ("OperationPreempted", "Preempted by a more recent operation.")
            self._then.pop(old.id)
            vm.operation, vm.boots = None, 0

    def _updating(self, vm: Vm, at: float) -> None:
        vm.provisioning, vm.failure, vm.since = "Updating", None, at
        vm.idle_since = at

    def _runs(self, vm: Vm, at: float) -> None:
        world = self._world
        if vm.power is None:
            world.bill.machine_runs(vm.name, vm.size.name, at)
        vm.power = "running"
        world.tell(vm, "running", at)
        volumes = {f"lun{lun}": self.folder(disk) for lun, disk in vm.disks.items()}
        for disk in vm.disks.values():
            disk.reserved = False
        world.faults.behaviours.booting(vm.name, vm.tags.get(CLAIM_TAG, ""))
        address = vm.nics[0].address
        self._submit(
            vm,
            lambda: world.host.boot(
                vm.name, address=address, user_data=vm.user_data, volumes=volumes
            ),
        )

    def _deallocated(self, vm: Vm, at: float) -> None:
        vm.power, vm.allocated = "deallocated", False
        vm.hands(at, reserved=True)
        self._world.tell(vm, "deallocated", at)

    def _stopped(self, vm: Vm, at: float) -> None:
        vm.power = "stopped"
        self._world.tell(vm, "stopped", at)

    def _gone(self, vm: Vm, at: float) -> None:
        world = self._world
        world.deleted.append(world.vms.pop(vm.name.lower()))
        for nic in vm.nics:
            nic.owner_id = None
            if nic.delete_with_machine:
                world.nics.pop(nic.name.lower(), None)
        if vm.keep.get(vm.os_disk.name):
            vm.os_disk.free(at)
        else:
            self.disk_gone(vm.os_disk, at)
        for disk in vm.disks.values():
            if vm.keep[disk.name]:
                disk.free(at)
            else:
                self.disk_gone(disk, at)
        world.tell(vm, "deleted", at)

    def _off(self, vm: Vm) -> None:
        self._submit(vm, lambda: self._world.host.power_off(vm.name))

    def _submit(self, vm: Vm, work: Work) -> None:
        vm.jobs += 1
        self._world.jobs.submit(vm.name, work, lambda error: self._done(vm, error))

    def _done(self, vm: Vm, error: BaseException | None) -> None:
        with self._world.lock:
            vm.jobs -= 1
            vm.idle_since = self._world.clock.now()
            if error is not None:
                self._world.tell(vm, "host-error", self._world.clock.now(), detail=repr(error))
            self.settle()

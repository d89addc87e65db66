"""An account at a cloud, in memory: what `FakeProvider` looks at.

Its rules are EC2's, since those are the stricter ones: a machine that is stopping cannot be
started, one that is pending can be neither stopped nor given a disk, and a stopped machine starts
only where there is room.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gpuspawner.clock import Clock
from gpuspawner.errors import CapacityError, InvalidSpec, MachineNotFound, QuotaExceeded, WrongState
from gpuspawner.model import Fragment, Home, Machine, Offering, Placement, Power
from gpuspawner.providers.base import HomeRequest, MachineRequest

BUSY = frozenset({Power.PENDING, Power.RUNNING, Power.STOPPING})
"""The powers that take up capacity and quota."""

DEFAULT_IMAGE = "image-0"

USER = "Client.UserInitiatedShutdown"
GUEST = "Client.InstanceInitiatedShutdown"


@dataclass
class Delays:
    """How long each transition takes, in seconds."""

    pending: float = 20.0
    stopping: float = 30.0
    deleting: float = 15.0
    home: float = 3.0


@dataclass
class VM:
    """One machine as the cloud keeps it. `due` is when `power` becomes `then` (None: gone)."""

    hub_id: str
    request: MachineRequest
    machine: Machine
    due: datetime | None = None
    then: Power | None = None
    gone: bool = False

    def become(self, power: Power, because: str = "") -> None:
        """Change the power now."""
        self.machine = replace(self.machine, power=power, because=because)
        self.due = self.then = None

    def become_later(self, power: Power, then: Power | None, due: datetime, because: str) -> None:
        """Change the power now, and again at `due`."""
        self.become(power, because)
        self.due, self.then = due, then


@dataclass
class Disk:
    """One home as the cloud keeps it."""

    hub_id: str
    request: HomeRequest
    home: Home
    due: datetime


@dataclass
class FakeCloud:
    """The account: shared by the providers of several hubs, as a real one is."""

    clock: Clock
    offered: tuple[Offering, ...]
    delays: Delays = field(default_factory=Delays)
    quota: float = 1000.0
    capacity: dict[Placement, int] = field(default_factory=dict)
    refused: set[str | Placement] = field(default_factory=set)
    vms: dict[str, VM] = field(default_factory=dict)
    disks: dict[str, Disk] = field(default_factory=dict)
    fragments: dict[str, tuple[str, Fragment]] = field(default_factory=dict)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def settle(self) -> None:
        """Let every transition happen that is due."""
        now = self.clock.now()
        for vm in self.vms.values():
            if vm.due is not None and vm.due <= now:
                if vm.then is None:
                    self._vanish(vm)
                else:
                    vm.become(vm.then, vm.machine.because)
        for disk in self.disks.values():
            if disk.due <= now:
                disk.home = replace(disk.home, ready=True)

    def vm(self, id: str, hub_id: str) -> VM:  # noqa: A002 - the clouds' own word
        """The machine `id` of this hub.

        Raises:
            MachineNotFound: there is none.
        """
        vm = self.vms.get(id)
        if vm is None or vm.gone or vm.hub_id != hub_id:
            raise MachineNotFound(f"{id} does not exist")
        return vm

    def disk(self, id: str, hub_id: str) -> Disk:  # noqa: A002
        """The home `id` of this hub.

        Raises:
            MachineNotFound: there is none.
        """
        disk = self.disks.get(id)
        if disk is None or disk.hub_id != hub_id:
            raise MachineNotFound(f"{id} does not exist")
        return disk

    def room(self, placement: Placement) -> None:
        """Make sure that one more machine fits.

        Raises:
            CapacityError: this placement is full or refused.
            QuotaExceeded: the account's limit is reached.
        """
        if not self.available(placement):
            raise CapacityError(f"no capacity for {placement.size} in {placement.zone}")
        if self.used() + self.vcpus(placement.size) > self.quota:
            raise QuotaExceeded(f"{self.used():g} of {self.quota:g} vCPU are in use")

    def available(self, placement: Placement) -> bool:
        """Whether one more machine fits there, quota apart."""
        if placement in self.refused or placement.size in self.refused:
            return False
        limit = self.capacity.get(placement)
        return limit is None or self._busy_at(placement) < limit

    def used(self) -> float:
        """The vCPUs that count against the quota now."""
        return sum(self.vcpus(vm.machine.placement.size) for vm in self._busy())

    def vcpus(self, size: str) -> int:
        """The vCPUs of a size; 0 for one that is not offered any more."""
        return next((o.vcpus for o in self.offered if o.placement.size == size), 0)

    def later(self, seconds: float) -> datetime:
        """The moment `seconds` from now."""
        return self.clock.now() + timedelta(seconds=seconds)

    def start(self, vm: VM, size: str) -> None:
        """Start a machine, resizing it first.

        Raises:
            WrongState: it is stopping or being deleted.
            CapacityError, QuotaExceeded: there is no room.
        """
        if vm.machine.power in {Power.PENDING, Power.RUNNING}:
            return
        if vm.machine.power not in {Power.STOPPED, Power.HALTED}:
            raise WrongState(f"{vm.machine.id} is {vm.machine.power.value}")
        placement = replace(vm.machine.placement, size=size)
        self.room(placement)
        vm.machine = replace(
            vm.machine, placement=placement, powered_at=self.clock.now(), stopped_at=None
        )
        vm.become_later(Power.PENDING, Power.RUNNING, self.later(self.delays.pending), "")

    def stop(self, vm: VM, because: str, *, halted: bool = False) -> None:
        """Stop a machine; with `halted`, only its operating system (Azure's "stopped").

        Raises:
            WrongState: it is pending or being deleted.
        """
        if vm.machine.power in {Power.STOPPING, Power.STOPPED}:
            return
        if vm.machine.power not in {Power.RUNNING, Power.HALTED}:
            raise WrongState(f"{vm.machine.id} is {vm.machine.power.value}")
        then = Power.HALTED if halted else Power.STOPPED
        self._tell_when(vm, because)
        vm.become_later(Power.STOPPING, then, self.later(self.delays.stopping), because)

    def delete(self, vm: VM, because: str) -> None:
        """Begin to delete a machine, whatever it is doing."""
        if vm.machine.power is not Power.DELETING:
            self._tell_when(vm, because)
            vm.become_later(Power.DELETING, None, self.later(self.delays.deleting), because)

    def create(self, hub_id: str, request: MachineRequest) -> Machine:
        """Create a machine, or find the one that this intent made.

        Raises:
            MachineNotFound: this intent's machine is gone.
            InvalidSpec: the intent was used for another request, or there is no such placement.
            CapacityError, QuotaExceeded: there is no room.
        """
        for vm in self.vms.values():
            if vm.request.intent == request.intent:
                if vm.request != request:
                    raise InvalidSpec(f"intent {request.intent} was used for another request")
                if vm.gone:
                    raise MachineNotFound(f"{vm.machine.id} of this intent is gone")
                return vm.machine
        if all(o.placement != request.placement for o in self.offered):
            raise InvalidSpec(f"{request.placement} is not offered")
        self.room(request.placement)
        number, now = next(self.numbers), self.clock.now()
        machine = Machine(
            id=f"vm-{number:04d}",
            power=Power.PENDING,
            placement=request.placement,
            image=request.image or DEFAULT_IMAGE,
            created_at=now,
            claim=request.claim,
            intent=request.intent,
            owner_id=request.owner_id,
            address=f"10.0.{number // 250}.{number % 250 + 4}",
            powered_at=now,
        )
        due = self.later(self.delays.pending)
        vm = VM(hub_id, request, machine, due, Power.RUNNING)
        self.vms[machine.id] = vm
        return machine

    def create_home(self, hub_id: str, request: HomeRequest) -> Home:
        """Create a home, or find the one that this token made.

        Raises:
            InvalidSpec: the token was used for another request.
        """
        for disk in self.disks.values():
            if disk.request.token == request.token:
                if disk.request != request:
                    raise InvalidSpec(f"token {request.token} was used for another request")
                return disk.home
        id_ = f"disk-{next(self.numbers):04d}"
        home = Home(
            id=id_,
            region=request.region,
            zone=request.zone,
            size_gib=request.size_gib,
            created_at=self.clock.now(),
            claim=request.claim,
            owner_id=request.owner_id,
            device=f"/dev/disk/by-id/{id_}",
            ready=False,
        )
        due = self.later(self.delays.home)
        self.disks[id_] = Disk(hub_id, request, home, due)
        return home

    def attach(self, disk: Disk, machine: Machine) -> None:
        """Attach a home to a machine.

        Raises:
            InvalidSpec: they are in different zones.
            WrongState: the machine is between two states, or the home is not free.
        """
        if disk.home.machine_id == machine.id:
            return
        if disk.home.zone != machine.placement.zone:
            raise InvalidSpec(
                f"{disk.home.id} is in {disk.home.zone}, not {machine.placement.zone}"
            )
        if disk.home.machine_id is not None or not disk.home.ready:
            raise WrongState(f"{disk.home.id} is not free")
        if machine.power not in {Power.RUNNING, Power.STOPPED}:
            raise WrongState(f"{machine.id} is {machine.power.value}")
        disk.home = replace(disk.home, machine_id=machine.id)

    def _tell_when(self, vm: VM, because: str) -> None:
        """As EC2 does: when somebody asked for it, and not when the machine went off by itself."""
        at = self.clock.now() if because == USER else None
        vm.machine = replace(vm.machine, stopped_at=at)

    def _vanish(self, vm: VM) -> None:
        vm.gone, vm.due = True, None
        for disk in self.disks.values():
            if disk.home.machine_id == vm.machine.id:
                disk.home = replace(disk.home, machine_id=None)

    def _busy(self) -> Iterable[VM]:
        return (vm for vm in self.vms.values() if not vm.gone and vm.machine.power in BUSY)

    def _busy_at(self, placement: Placement) -> int:
        return sum(vm.machine.placement == placement for vm in self._busy())

"""One emulated subscription: its parts, its one lock, and the operations that are under way."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from gpuspawner.emulator.arm_limits import Throttle, no_capacity, over_quota
from gpuspawner.emulator.arm_prices import PRICES
from gpuspawner.emulator.arm_records import Disk, Nic, Operation, Vm
from gpuspawner.emulator.arm_sizes import CORES, Size
from gpuspawner.emulator.arm_wire import Refusal, resource_id
from gpuspawner.emulator.behaviours import CLAIM_TAG
from gpuspawner.emulator.bill import Bill
from gpuspawner.emulator.clock_ import Clock, text
from gpuspawner.emulator.faults import Faults
from gpuspawner.emulator.jobs import Jobs, MachineHost, NoMachines

HostMaker = Callable[[Path, Callable[[str, str], None]], MachineHost]

CLOSING_SECONDS = 15
REMEMBERED_SECONDS = 3600
"""How long the result of an operation can be asked for."""


@dataclass(frozen=True)
class Seed:
    """What is there from the start. `subnets` is region to id, `image` a marketplace URN."""

    subscription: str = "00000000-0000-4000-8000-000000000001"
    tenant: str = "00000000-0000-4000-8000-000000000002"
    group: str = "gpuspawner"
    network: str = "class"
    subnet: str = "machines"
    publisher: str = "microsoft-dsvm"
    offer: str = "ubuntu-hpc"
    sku: str = "2404"
    version: str = "24.4.2026110101"
    regions: tuple[str, ...] = ("koreacentral", "eastus", "koreasouth")

    @property
    def image(self) -> str:
        """The marketplace image, by its version."""
        return f"{self.publisher}:{self.offer}:{self.sku}:{self.version}"

    @property
    def gallery_image(self) -> str:
        """An image of the class's own, by its version."""
        gallery = "Microsoft.Compute/galleries"
        return (
            resource_id(self.subscription, self.group, gallery, "gallery")
            + "/images/lab/versions/1.0.0"
        )

    def subnet_id(self, region: str) -> str:
        """The full id of the subnet of a region."""
        network = resource_id(
            self.subscription,
            self.group,
            "Microsoft.Network/virtualNetworks",
            f"{self.network}-{region}",
        )
        return f"{network}/subnets/{self.subnet}"

    def to_json(self) -> dict[str, Any]:
        """The seed as it is served."""
        subnets = {region: self.subnet_id(region) for region in self.regions}
        return {
            **asdict(self),
            "image": self.image,
            "gallery_image": self.gallery_image,
            "subnets": subnets,
        }


class World:
    """Everything that one emulator knows. Hold `lock` to read or change any of it.

    Args:
        folder: where disks and machines live.
        network: the first two numbers of the private addresses, within 127.0.0.0/8.
        make_host: what plays the machines; None for the API alone.
        retry_after: seconds to name with an accepted operation; None is as Azure's compute service
            does, which names none.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        faults: Faults,
        *,
        network: str = "127.20",
        make_host: HostMaker | None = None,
        retry_after: int | None = None,
    ) -> None:
        self.clock = clock
        self.faults = faults
        self.lock = threading.RLock()
        self.seed = Seed()
        self.bill = Bill(PRICES)
        self.throttle = Throttle()
        self.retry_after = retry_after
        self.calls: Counter[str] = Counter()
        self.throttled: Counter[str] = Counter()
        self.events: list[dict[str, Any]] = []
        self.vms: dict[str, Vm] = {}
        self.deleted: list[Vm] = []
        self.disks: dict[str, Disk] = {}
        self.nics: dict[str, Nic] = {}
        self.workflows: dict[str, tuple[float, dict[str, Any]]] = {}
        self.operations: dict[str, Operation] = {}
        self.folder = folder
        self._addresses = (
            f"{network}.{high}.{low}" for high, low in itertools.product(range(256), range(1, 255))
        )
        self.on_power: Callable[[str, str], None] = lambda _machine, _what: None
        self.host: MachineHost = NoMachines()
        if make_host is not None:
            self.host = make_host(folder / "machines", self._powered)
        self.jobs = Jobs(inline=make_host is None)
        self.do_due: Callable[[], None] = lambda: None
        faults.behaviours.connect(self.host, self._running)

    def settle(self) -> None:
        """Do what is due by now."""
        with self.lock:
            self.do_due()
            before = self.clock.now() - REMEMBERED_SECONDS
            for one in list(self.operations.values()):
                if one.ended_at is not None and one.ended_at <= before:
                    del self.operations[one.id]

    def close(self) -> None:
        """End every machine, one that is just being booted included."""
        self.jobs.close()
        self.host.close()
        self.jobs.wait(CLOSING_SECONDS)
        self.host.close()

    def address(self) -> str:
        """A private address that no machine has ever had."""
        return next(self._addresses)

    def begin(self, kind: str, location: str, seconds: float) -> Operation:
        """A new operation, due in so many seconds."""
        now = self.clock.now()
        operation = Operation(str(uuid.uuid4()), kind, location, now, now + seconds)
        self.operations[operation.id] = operation
        return operation

    def admit_quota(self, size: Size, region: str, *, besides: Vm | None = None) -> None:
        """Whether one more may exist. Machines that are deallocated count as well.

        Raises:
            Refusal: the family's or the region's vCPUs would be passed.
        """
        usages = self.usages(region, besides=besides)
        for name in (CORES, size.family):
            limit = self.faults.settings.quotas[name]
            if usages[name] + size.vcpus > limit:
                raise over_quota(name, region, limit, usages[name], size.vcpus)

    def usages(self, region: str, *, besides: Vm | None = None) -> Counter[str]:
        """VCPUs of the region by quota, and `virtualMachines`."""
        used: Counter[str] = Counter()
        for vm in self.vms.values():
            if vm.location == region and vm is not besides:
                used[CORES] += vm.size.vcpus
                used[vm.size.family] += vm.size.vcpus
                used["virtualMachines"] += 1
        return used

    def short_of(self, size: Size, region: str, zone: str) -> tuple[Refusal, bool] | None:
        """The refusal when there is no capacity for one more, and whether it comes late."""
        settings = self.faults.settings
        place = f"{region}-{zone}" if zone else region
        if settings.room(size.name, place, self._allocated) >= 1:
            return None
        late = any(
            fnmatchcase(size.name, kind) and fnmatchcase(place, where)
            for kind, where in settings.late
        )
        return no_capacity(size, region, zone), late

    def tell(self, vm: Vm, event: str, at: float, **more: str) -> None:
        """Write down what happened to a machine."""
        self.events.append(
            {
                "number": len(self.events) + 1,
                "time": text(at),
                "event": event,
                "id": vm.name,
                "type": vm.size.name,
                "zone": f"{vm.location}-{vm.zone}" if vm.zone else vm.location,
                "address": vm.nics[0].address if vm.nics else "",
                "price_per_hour": self.bill.prices.machine(vm.size.name) / 1_000_000,
                **more,
            }
        )

    def _allocated(self, size: str, place: str) -> int:
        return sum(
            vm.allocated
            and fnmatchcase(vm.size.name, size)
            and fnmatchcase(f"{vm.location}-{vm.zone}" if vm.zone else vm.location, place)
            for vm in self.vms.values()
        )

    def _powered(self, machine_id: str, what: str) -> None:
        self.on_power(machine_id, what)

    def _running(self) -> Iterator[tuple[str, str]]:
        return (
            (vm.name, vm.tags.get(CLAIM_TAG, ""))
            for vm in self.vms.values()
            if vm.power == "running"
        )

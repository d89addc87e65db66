"""One emulated account in one region: its parts, its one lock, and how it looks from outside."""

from __future__ import annotations

import itertools
import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from gpuspawner.emulator import ec2_moto as border
from gpuspawner.emulator.bill import Bill
from gpuspawner.emulator.clock_ import Clock, moment
from gpuspawner.emulator.ec2_lifecycle import CODES, Lifecycle
from gpuspawner.emulator.ec2_limits import Throttle, no_capacity, over_quota, quota_of, room_for
from gpuspawner.emulator.ec2_prices import MACHINES, PRICES
from gpuspawner.emulator.ec2_volumes import Volumes
from gpuspawner.emulator.ec2_wire import Call
from gpuspawner.emulator.faults import Faults
from gpuspawner.emulator.jobs import Jobs, MachineHost, NoMachines

HostMaker = Callable[[Path, Callable[[str, str], None]], MachineHost]
"""Makes a host from the folder it may use and the function it calls when a machine goes off."""

CLOSING_SECONDS = 15
IMAGE = "gpuspawner-lab"
GROUP = "gpuspawner-machines"
SERVER_PORT = "8888"


@dataclass(frozen=True)
class Seed:
    """What is there from the start: names are for the configuration, ids for whoever needs them."""

    account: str
    region: str
    vpc: str
    subnets: dict[str, str]
    security_group: str
    image: str

    def to_json(self) -> dict[str, Any]:
        """The seed as it is served; `subnets` is zone to id."""
        return {**asdict(self), "names": {"image": IMAGE, "security_group": GROUP}}


class World:
    """Everything that one emulator knows. Hold `lock` to read or change any of it.

    Args:
        folder: where volumes and machines live.
        network: the first two numbers of the private addresses, within 127.0.0.0/8.
        make_host: what plays the machines; None for the API alone.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        faults: Faults,
        *,
        region: str = "us-east-1",
        network: str = "127.20",
        make_host: HostMaker | None = None,
    ) -> None:
        self.clock = clock
        self.faults = faults
        self.region = region
        self.lock = threading.RLock()
        self.bill = Bill(PRICES)
        self.throttle = Throttle()
        self.calls: Counter[str] = Counter()
        self.throttled: Counter[str] = Counter()
        self.call: Call | None = None
        self.pages: str | None = None
        self._addresses = (
            f"{network}.{high}.{low}" for high, low in itertools.product(range(256), range(1, 255))
        )
        self.backend = border.install(self, region)
        self.seed = _sow(self.backend, region)
        self.host: MachineHost = NoMachines()
        if make_host is not None:
            self.host = make_host(folder / "machines", self._powered)
        self._jobs = jobs = Jobs(inline=make_host is None)
        parts = (clock, self.lock, faults, self.bill)
        self.volumes = Volumes(self.backend, folder / "volumes", *parts, jobs, self.host)
        self.lifecycle = Lifecycle(*parts, self.volumes, jobs, self.host)
        faults.behaviours.connect(self.host, self._running)

    def settle(self) -> None:
        """Do what is due by now."""
        with self.lock:
            self.lifecycle.settle()
            self.volumes.settle()

    def close(self) -> None:
        """End every machine, one that is just being booted included."""
        self._jobs.close()
        self.host.close()
        self._jobs.wait(CLOSING_SECONDS)
        self.host.close()

    def address(self) -> str:
        """A private address that no machine has ever had."""
        return next(self._addresses)

    def admit(self, machine_type: str, zone: str, least: int, most: int) -> int:
        """How many machines may begin now, `most` at best.

        Raises:
            Refusal: fewer than `least`, for capacity or for quota.
        """
        room = self.faults.settings.room(machine_type, zone, self.lifecycle.count)
        if room < least:
            raise no_capacity(machine_type, zone)
        fitting = self._under_quota(machine_type)
        if fitting < least:
            raise over_quota(self.faults.settings.quotas[quota_of(machine_type)])
        return int(min(most, room, fitting))

    def admit_all(self, kinds: Counter[tuple[str, str]]) -> None:
        """Check that all of these machines, by type and zone, may begin together.

        Raises:
            Refusal: for capacity or for quota; then none of them may.
        """
        vcpus: Counter[str] = Counter()
        for (machine_type, zone), number in kinds.items():
            self.admit(machine_type, zone, number, number)
            vcpus[quota_of(machine_type)] += number * vcpus_of(machine_type)
        for code, wanted in vcpus.items():
            limit = self.faults.settings.quotas.get(code, math.inf)
            if self._used(code) + wanted > limit:
                raise over_quota(limit)

    def _under_quota(self, machine_type: str) -> float:
        code = quota_of(machine_type)
        limit = self.faults.settings.quotas.get(code, math.inf)
        if limit == math.inf:
            return math.inf
        return room_for(vcpus_of(machine_type), self._used(code), limit)

    def _used(self, code: str) -> int:
        on = self.lifecycle.on()
        return sum(vcpus_of(record.type) for record in on if quota_of(record.type) == code)

    def time(self) -> datetime:
        """Now, as moto keeps times."""
        return moment(self.clock.now())

    def look(self, instance: Any) -> Any | None:
        """The instance as a listing shows it, which may be late."""
        record = self.lifecycle.records.get(instance.id)
        settings = self.faults.settings
        if record is None or self.call is None or not self.call.describes:
            return instance
        now = self.clock.now()
        if now < record.created_at + settings.hidden:
            return None
        history = [entry for entry in record.history if entry[0] <= now - settings.stale]
        past = history or record.history[:1]
        if past == record.history:
            return instance
        state = past[-1][1]
        listed = border.copy_in_state(instance, state, CODES[state])
        started = [at for at, what in past if what == "pending"]
        border.set_launch_time(listed, moment(started[-1]))
        return listed

    def shows(self, volume: Any) -> bool:
        """Whether a listing shows the volume yet."""
        if self.call is None or not self.call.describes:
            return True
        created = self.volumes.created_at.get(volume.id, 0.0)
        return self.clock.now() >= created + self.faults.settings.hidden

    def arrange(self, reservations: list[Any]) -> list[Any]:
        """The reservations of a listing, less some or with one twice if a fault says so."""
        if self.pages is None or self.call is None or self.call.action != "DescribeInstances":
            return reservations
        if self.call.numbered("InstanceId"):
            return reservations
        if self.pages == "missing":
            return reservations[: len(reservations) // 2]
        return reservations + reservations[:1]

    def _running(self) -> Iterator[tuple[str, str]]:
        records = self.lifecycle.records.values()
        return ((record.id, record.claim) for record in records if record.state == "running")

    def _powered(self, machine_id: str, what: str) -> None:
        self.lifecycle.powered(machine_id, what)


def sizes() -> list[dict[str, Any]]:
    """The GPU machines that have a price here, cheapest first; prices are in USD an hour."""
    known = border.machine_types()
    priced = sorted(MACHINES.items(), key=lambda entry: entry[1])
    return [
        {
            "type": name,
            "gpu": known[name]["GpuInfo"]["Gpus"][0]["Name"],
            "vcpus": vcpus_of(name),
            "price_per_hour": micros / 1_000_000,
        }
        for name, micros in priced
        if "GpuInfo" in known.get(name, {})
    ]


def vcpus_of(machine_type: str) -> int:
    """The vCPUs of a type, 0 if it is unknown."""
    known = border.machine_types().get(machine_type)
    return int(known["VCpuInfo"]["DefaultVCpus"]) if known else 0


def _sow(backend: Any, region: str) -> Seed:
    vpc = backend.get_default_vpc()
    group = backend.create_security_group(GROUP, "Machines of a class", vpc.id)
    # The hub and its proxy are on this computer, and are all that reaches the machines' servers.
    here = [{"CidrIp": "127.0.0.0/8"}]
    backend.authorize_security_group_ingress(group.id, "tcp", SERVER_PORT, SERVER_PORT, here)
    image = backend.register_image(IMAGE, "An image that the emulator boots")
    image.architecture, image.virtualization_type = "x86_64", "hvm"
    image.root_device_type, image.hypervisor, image.platform = "ebs", "xen", None
    subnets = {zone: subnet.id for zone, subnet in sorted(backend.get_default_subnets().items())}
    return Seed(border.ACCOUNT, region, vpc.id, subnets, group.id, image.id)

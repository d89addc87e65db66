"""Machines and homes on EC2: composes the other `aws_*` rooms into a provider.

An instance is a machine, a gp3 volume of its own a home. `stop` is EC2's stop, which ends the
charge for computing and keeps the disks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from gpuspawner.clock import Clock
from gpuspawner.errors import (
    InvalidSpec,
    MachineNotFound,
    ProviderError,
    WrongState,
)
from gpuspawner.model import Finding, Home, Machine, Offering, World
from gpuspawner.policy.money import seconds_of
from gpuspawner.policy.prices import Quote
from gpuspawner.providers import (
    aws_batches,
    aws_check,
    aws_check_quota,
    aws_offers,
    aws_prices,
    aws_requests,
    aws_world,
    catalog,
)
from gpuspawner.providers.aws_account import Account
from gpuspawner.providers.aws_calls import Calls
from gpuspawner.providers.aws_look import Look
from gpuspawner.providers.base import Expected, HomeRequest, MachineRequest, Quota
from gpuspawner.settings.aws_record import AWSRecord

__all__ = ["AWSProvider", "AWSRecord"]

_Ids = list[str]  # inside the class, `list` is the contract's method

_RUNS = frozenset({"pending", "running"})
_IS_OFF = frozenset({"stopping", "stopped"})
_COUNTED = frozenset({"pending", "running", "stopping"})


class AWSProvider:
    """Implements `gpuspawner.providers.base.Provider` for one account and region."""

    name = "aws"
    minimum_seconds = 60

    def __init__(self, record: AWSRecord, hub_id: str, clock: Clock) -> None:
        self._record = record
        self.region = record.region
        self._hub_id = hub_id
        self._clock = clock
        self._calls = Calls(record, clock)
        self._account = Account(self._calls, record)
        self._look = Look(self._calls, hub_id, clock)
        self._offered: tuple[Offering, ...] | None = None

    async def bootstrap(self) -> None:
        """Resolve the image, the network and the offerings, once."""
        await self._account.image()
        await self._account.subnets()
        await self._account.group_ids()
        await self.offerings()

    async def check(self, expected: Expected | None = None) -> list[Finding]:
        """Look at everything a start would need, changing nothing."""
        return await aws_check.findings(self._account, self._hub_id, expected or Expected())

    async def resolve_image(self, reference: str) -> str:
        """The AMI's id that an id, a name or `ssm:PARAMETER` means; empty is the default image."""
        return (await self._account.image(reference)).id

    async def offerings(self) -> tuple[Offering, ...]:
        """All placements, asked for once; refusals are the caller's to remember."""
        if self._offered is None:
            self._offered = await aws_offers.find(self._account)
        return self._offered

    def prices(self) -> tuple[Quote, ...]:
        """The shipped list of the region."""
        return catalog.quotes(self.name, self._record.region)

    async def fetch_prices(self) -> tuple[Quote, ...]:
        """From the Price List API: the configured sizes, disks, addresses."""
        return await aws_prices.fetch(self._calls, self._record, seconds_of(self._clock.now()))

    async def quota(self, offering: Offering) -> Quota:
        """The vCPUs of the offering's family, and how many of them this hub's machines use."""
        code, name = aws_offers.quota_of(offering.placement.size)
        limit = await aws_check_quota.limit_of(self._account, code)
        vcpus = {one.placement.size: one.vcpus for one in await self.offerings()}
        used = sum(
            vcpus.get(one["InstanceType"], 0)
            for one in await self._look.instances()
            if aws_world.state(one) in _COUNTED and aws_offers.counts_against(one, code)
        )
        return Quota(name, code, limit, used)

    async def create(self, request: MachineRequest) -> Machine:
        """Run one instance, with the intent as its client token.

        Raises:
            MachineNotFound: this intent's machine was made before, and is gone.
        """
        parameters = aws_requests.run_instances(
            request,
            self._record,
            self._hub_id,
            await self._account.image(request.image),
            await self._account.subnet_of(request.placement.zone),
            await self._account.group_ids(),
        )
        answer = await self._calls.ask("RunInstances", resources=1, **parameters)
        (instance,) = answer["Instances"]
        if aws_world.state(instance) == aws_world.TERMINATED:
            raise MachineNotFound(f"{instance['InstanceId']} of this intent is terminated")
        self._look.remember(instance["InstanceId"])
        return aws_world.machine(instance, self._record.region)

    async def start(self, ids: Collection[str], size: str) -> Mapping[str, ProviderError]:
        """Start machines, zone by zone, since capacity is refused by zone."""
        try:
            seen = await self._look.seen(ids)
        except ProviderError as error:
            return dict.fromkeys(ids, error)
        todo, errors = self._look.sort_out(ids, seen, ready="stopped", already=_RUNS)
        errors |= await self._resize(
            [id_ for id_ in todo if seen[id_]["InstanceType"] != size], size
        )
        zones: dict[str, list[str]] = {}
        for id_ in todo:
            if id_ not in errors:
                zones.setdefault(seen[id_]["Placement"]["AvailabilityZone"], []).append(id_)
        for members in zones.values():
            errors |= await aws_batches.each(members, self._start)
        return errors

    async def stop(self, ids: Collection[str]) -> Mapping[str, ProviderError]:
        """Stop machines. When they cannot be looked at, stop them unseen: it saves money."""
        try:
            seen = await self._look.seen(ids)
        except ProviderError:
            return await aws_batches.each(tuple(ids), self._stop)
        todo, errors = self._look.sort_out(ids, seen, ready="running", already=_IS_OFF)
        return errors | await aws_batches.each(todo, self._stop)

    async def delete(self, id: str) -> None:  # noqa: A002 - the contract's word
        """Terminate an instance, or delete a disk that one left behind."""
        if id.startswith("vol-"):
            volume = await self._look.volume(id)
            if aws_world.is_home(volume):
                raise MachineNotFound(f"{id} is a home, not a machine's own disk")
            await self._calls.ask("DeleteVolume", VolumeId=id)
            return
        seen = await self._look.seen([id])
        _, errors = self._look.sort_out(
            [id], seen, ready="", already=_RUNS | _IS_OFF | {"shutting-down"}
        )
        if id in errors:
            raise errors[id]
        self._look.changing([id])
        await self._calls.ask("TerminateInstances", resources=1, InstanceIds=[id])

    async def create_home(self, request: HomeRequest) -> Home:
        """Create an encrypted volume, with the token as its client token."""
        parameters = aws_requests.create_volume(request, self._record, self._hub_id)
        volume = await self._calls.ask("CreateVolume", **parameters)
        self._look.remember(volume["VolumeId"])
        return aws_world.home(volume, self._record.region)

    async def attach_home(self, home_id: str, machine_id: str) -> None:
        """Attach a volume. EC2 calls it an error when it is attached already; we look at what to."""
        try:
            await self._calls.ask(
                "AttachVolume",
                VolumeId=home_id,
                InstanceId=machine_id,
                Device=aws_requests.HOME_DEVICE,
            )
        except (WrongState, InvalidSpec):
            if aws_world.attached_to(await self._look.volume(home_id)) != machine_id:
                raise

    async def delete_home(self, home_id: str) -> None:
        """Delete a volume that is attached to nothing."""
        volume = await self._look.volume(home_id)
        if not aws_world.is_home(volume):
            raise MachineNotFound(f"{home_id} is no home")
        if holder := aws_world.attached_to(volume):
            raise WrongState(f"{home_id} is attached to {holder}")
        await self._calls.ask("DeleteVolume", VolumeId=home_id)

    async def console(self, id: str) -> str:  # noqa: A002
        """The newest console output; of an older type, the last that was kept."""
        try:
            answer = await self._calls.ask("GetConsoleOutput", InstanceId=id, Latest=True)
        except InvalidSpec:  # only Nitro types have the newest
            answer = await self._calls.ask("GetConsoleOutput", InstanceId=id)
        return str(answer.get("Output") or "")

    async def list(self, missed: Collection[str] = ()) -> World:  # noqa: ARG002 - EC2 tells
        """Everything with this hub's tag: instances first, so that no attached disk seems left."""
        listed_at = self._clock.now()
        instances = await self._look.everything()
        volumes = await self._look.volumes()
        return aws_world.world(instances, volumes, self._record.region, listed_at)

    async def close(self) -> None:
        """Give threads and connections back."""
        self._calls.close()

    async def _start(self, batch: _Ids) -> None:
        self._look.changing(batch)
        await self._calls.ask("StartInstances", resources=len(batch), InstanceIds=batch)

    async def _stop(self, batch: _Ids) -> None:
        self._look.changing(batch)
        await self._calls.ask("StopInstances", resources=len(batch), InstanceIds=batch)

    async def _resize(self, ids: Collection[str], size: str) -> dict[str, ProviderError]:
        async def resize(batch: _Ids) -> None:
            (id_,) = batch
            self._look.changing(batch)
            await self._calls.ask(
                "ModifyInstanceAttribute", InstanceId=id_, InstanceType={"Value": size}
            )

        errors: dict[str, ProviderError] = {}
        for id_ in ids:
            errors |= await aws_batches.each([id_], resize)
        return errors

"""Machines and homes on Azure: composes the other `azure_*` rooms into a provider.

A virtual machine is a machine, a managed disk of its own a home. `stop` is Azure's *deallocate*:
a machine that is merely stopped is billed as if it ran.

An intent's machine has a name made from the intent, and Azure refuses to make a name that exists.
It does not remember names that are gone: that a machine of this intent was made and deleted is
known for an hour, and to this process.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta

from gpuspawner.clock import Clock
from gpuspawner.errors import (
    InvalidSpec,
    MachineNotFound,
    ProviderError,
    ProviderUnavailable,
    WrongState,
)
from gpuspawner.model import Finding, Home, Machine, Offering, Power, World
from gpuspawner.policy.money import seconds_of
from gpuspawner.policy.prices import Quote
from gpuspawner.providers import azure_check, azure_offers, azure_requests, azure_world, catalog
from gpuspawner.providers.azure_account import Account
from gpuspawner.providers.azure_calls import Calls, each
from gpuspawner.providers.azure_disks import Disks
from gpuspawner.providers.azure_errors import CAPACITY, code_of, failed
from gpuspawner.providers.azure_look import Look, Seen
from gpuspawner.providers.azure_prices import of as retail_prices
from gpuspawner.providers.base import Expected, HomeRequest, MachineRequest, Quota
from gpuspawner.settings.azure_record import AzureRecord

__all__ = ["AzureProvider", "AzureRecord"]

_LATE = timedelta(minutes=10)
"""How old a failed allocation may be to be the answer to a start."""

_RESIZE_SECONDS = 60.0
_RESIZE_LOOK_SECONDS = 2.0


class AzureProvider:
    """Implements `gpuspawner.providers.base.Provider` for one resource group."""

    name = "azure"
    minimum_seconds = 300  # unverified, as the catalog says of it

    def __init__(self, record: AzureRecord, hub_id: str, clock: Clock) -> None:
        self._record = record
        self.region = record.regions[0]
        self._group = record.resource_group
        self._hub_id = hub_id
        self._clock = clock
        self._calls = Calls(record, clock)
        self._account = Account(self._calls, record)
        self._look = Look(self._calls, record, hub_id, clock)
        self._disks = Disks(self._calls, record, hub_id)
        self._offered: tuple[Offering, ...] | None = None
        self._told: set[tuple[str, object]] = set()

    async def bootstrap(self) -> None:
        """Make sure of the subscription; resolve the image and the offerings, once."""
        await self._account.pinned()
        await self._account.image()
        await self.offerings()

    async def check(self, expected: Expected | None = None) -> list[Finding]:
        """Look at everything a start would need, changing nothing."""
        told = self._account, self._hub_id, expected or Expected()
        return await azure_check.findings(*told, self._clock)

    async def resolve_image(self, reference: str) -> str:
        """The image by its version; empty is the default image."""
        return await self._account.image(reference)

    async def offerings(self) -> tuple[Offering, ...]:
        """All placements, asked for once; refusals are the caller's to remember."""
        if self._offered is None:
            self._offered = await azure_offers.find(self._account)
        return self._offered

    def prices(self) -> tuple[Quote, ...]:
        """The shipped lists of the configured regions."""
        return tuple(q for region in self._record.regions for q in catalog.quotes("azure", region))

    async def fetch_prices(self) -> tuple[Quote, ...]:
        """From the Retail Prices API: the configured sizes, in every region."""
        return await retail_prices(self._record, seconds_of(self._clock.now()))

    async def quota(self, offering: Offering) -> Quota:
        """The narrower of the two that count: of the family, and of the region.

        Azure counts machines that are deallocated, too.
        """
        place = offering.placement
        usages = await self._account.usages(place.region)
        sku = (await self._account.sizes(place.region))[place.size]
        found = [
            Quota(
                one["name"].get("localizedValue") or name,
                one["name"]["value"],
                float(one["limit"]),
                float(one["currentValue"]),
            )
            for name in (str(sku.get("family", "")), azure_offers.CORES)
            if (one := usages.get(name.lower())) is not None
        ]
        if not found:
            raise InvalidSpec(f"the quota of {place.size} in {place.region} is not known")
        return min(found, key=lambda one: one.limit - one.used)

    async def create(self, request: MachineRequest) -> Machine:
        """Make one machine, under a name that is the intent's.

        Raises:
            MachineNotFound: this intent's machine was made before, and is gone.
        """
        await self._account.pinned()
        image = await self._account.image(request.image)
        wanted = replace(request, image=image)
        body = azure_requests.machine(wanted, self._record, self._hub_id)
        id_ = azure_requests.machine_name(request)
        if self._look.is_gone(id_):
            raise MachineNotFound(f"{id_} of this intent is deleted")
        self._look.changing(id_)
        try:
            answer = await self._calls.ask(
                "CreateMachine", self._group, id_, body, **_only_if_new()
            )
        except WrongState as error:
            if code_of(error.__cause__ or error) != "PreconditionFailed":
                raise
            return await self._made_before(id_, body["tags"][azure_requests.REQUEST])
        self._look.accepted(id_, answer.operation)
        return azure_world.machine(answer.content, Power.PENDING, azure_world.UNKNOWN, {})

    async def start(self, ids: Collection[str], size: str) -> Mapping[str, ProviderError]:
        """Start machines, each with a call of its own: Azure has no other that the SDK knows."""
        if not ids:
            return {}
        try:
            await self._account.pinned()
            seen = await self._look.seen(ids)
        except ProviderError as error:
            return dict.fromkeys(ids, error)

        async def one(id_: str) -> None:
            await self._start(self._found(id_, seen), size)

        return await each(ids, one)

    async def stop(self, ids: Collection[str]) -> Mapping[str, ProviderError]:
        """Deallocate machines. When they cannot be looked at, unseen: it saves money."""
        if not ids:
            return {}
        try:
            seen: Mapping[str, Seen] | None = await self._look.seen(ids)
        except ProviderError:
            seen = None

        async def one(id_: str) -> None:
            if seen is not None:
                does = self._found(id_, seen).machine.power
                if does in (Power.STOPPED, Power.STOPPING):
                    return
                if does is Power.DELETING:
                    raise WrongState(f"{id_} is being deleted")
            self._look.changing(id_)
            answer = await self._calls.ask("DeallocateMachine", self._group, id_)
            self._look.ending(id_, answer.operation)

        return await each(ids, one)

    async def delete(self, id: str) -> None:  # noqa: A002 - the contract's word
        """Delete a machine with its disk and interface, or what one left behind."""
        kind, is_fragment, name = id.partition("/")
        if is_fragment:
            await self._disks.delete_fragment(kind, name)
            return
        seen = (await self._look.seen([id])).get(id)
        if seen is None or (self._look.is_gone(id) and not await self._look.exists(id)):
            self._look.left(id)
            await self._nothing_left(id)
        elif seen.machine.power is not Power.DELETING:
            answer = await self._calls.ask("DeleteMachine", self._group, id)
            self._look.leaving(id, answer.operation)

    async def create_home(self, request: HomeRequest) -> Home:
        """Create a disk, under a name that is the token's."""
        await self._account.pinned()
        return await self._disks.create_home(request)

    async def attach_home(self, home_id: str, machine_id: str) -> None:
        """Attach a disk; the machine that has it already is looked at first."""
        self._look.changing(machine_id)
        await self._disks.attach_home(home_id, machine_id)

    async def delete_home(self, home_id: str) -> None:
        """Delete a disk that is attached to nothing."""
        await self._disks.delete_home(home_id)

    async def console(self, id: str) -> str:  # noqa: A002
        """What the machine wrote to its serial console, as far as Azure keeps it."""
        answer = await self._calls.ask("GetConsole", self._group, id)
        url = (answer.content or {}).get("serialConsoleLogBlobUri")
        return await self._calls.fetch(url) if url else ""

    async def list(self, missed: Collection[str] = ()) -> World:
        """Everything with this hub's tag, from four lists."""
        return await self._look.world(missed)

    async def close(self) -> None:
        """Give connections back."""
        await self._calls.close()

    async def _made_before(self, id_: str, print_: str) -> Machine:
        """The machine that this very request made before; the answer was lost, or it came twice."""
        answer = await self._calls.ask("GetMachine", self._group, id_, expand="instanceView")
        tags = azure_world.tags_of(answer.content)
        if tags.get(azure_requests.REQUEST) != print_:
            raise InvalidSpec(f"{id_} was made by another request")
        status = azure_world.status(answer.content)
        does = azure_world.power(status, None)
        return azure_world.machine(answer.content, does, status, {})

    async def _start(self, seen: Seen, size: str) -> None:
        machine = seen.machine
        if machine.power in azure_world.ON:
            return
        if machine.power not in (Power.STOPPED, Power.HALTED):
            raise WrongState(f"{machine.id} is {machine.power.value}")
        self._tell_of_failure(seen, size)
        self._look.changing(machine.id)
        if machine.placement.size != size:
            await self._resize(machine.id, size)
        answer = await self._calls.ask("StartMachine", self._group, machine.id)
        self._look.accepted(machine.id, answer.operation)

    def _tell_of_failure(self, seen: Seen, size: str) -> None:
        """A start that was accepted and failed for capacity is answered when it is asked again.

        Raises:
            CapacityError: so the caller goes down its ladder. Once: after that, it may try again.
        """
        status, machine = seen.status, seen.machine
        key = machine.id, status.at
        if (
            status.failed
            and status.code in CAPACITY
            and machine.placement.size == size
            and key not in self._told
            and status.at is not None
            and self._clock.now() - status.at < _LATE
        ):
            self._told.add(key)
            raise failed(status.code, status.message, "StartMachine")

    async def _resize(self, id_: str, size: str) -> None:
        """Change the size and wait until it is done, since a start before is refused."""
        answer = await self._calls.ask(
            "UpdateMachine", self._group, id_, azure_requests.resize(size)
        )
        until = self._clock.monotonic() + _RESIZE_SECONDS
        while answer.operation:
            said = await self._calls.get("GetOperation", answer.operation)
            if said["status"] == "Succeeded":
                return
            if said["status"] in ("Failed", "Canceled"):
                error = said.get("error") or {}
                raise failed(error.get("code", ""), error.get("message", ""), "UpdateMachine")
            if self._clock.monotonic() >= until:
                raise ProviderUnavailable(f"{id_} is still being resized")
            await self._clock.sleep(_RESIZE_LOOK_SECONDS)

    def _found(self, id_: str, seen: Mapping[str, Seen]) -> Seen:
        if id_ not in seen:
            raise MachineNotFound(f"{id_} does not exist")
        return seen[id_]

    async def _nothing_left(self, id_: str) -> None:
        """Delete what a machine that is gone has left, if anything.

        Raises:
            MachineNotFound: nothing of it is left.
        """
        try:
            await self._disks.delete_fragment("disk", azure_requests.os_disk_name(id_))
        except WrongState:
            raise MachineNotFound(f"{id_} does not exist; its disk is another's") from None


def _only_if_new() -> Mapping[str, object]:
    from azure.core import MatchConditions  # noqa: PLC0415 - needs the extra `azure`

    return {"etag": "*", "match_condition": MatchConditions.IfMissing}

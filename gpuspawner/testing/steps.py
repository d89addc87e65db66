"""The play that the contract's tests are written in: its actors, and what they can do."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any, TypeVar

from gpuspawner.errors import ProviderError
from gpuspawner.model import Home, Machine, Power
from gpuspawner.providers.base import HomeRequest, MachineRequest, Provider

E = TypeVar("E", bound=ProviderError)


class Steps:
    """What a subclass of the contract says about its cloud, and the steps that tests take."""

    image = "image-1"

    async def settle(self) -> None:
        """Wait until every transition is over; a subclass says how."""
        raise NotImplementedError

    async def request(self, provider: Provider, **changes: Any) -> MachineRequest:
        """A request for a new machine at the first offering; a subclass may know better."""
        number = uuid.uuid4()
        request = MachineRequest(
            intent=str(number),
            claim=f"gs-0badcafe-{number.hex[:26]}",
            owner_id="7",
            generation=1,
            placement=(await provider.offerings())[0].placement,
            image=self.image,
            disk_gib=60,
            user_data=b"#cloud-config\n{}\n",
        )
        return replace(request, **changes)

    async def home_request(self, provider: Provider, **changes: Any) -> HomeRequest:
        """A request for a new home in the zone of the first offering."""
        token = uuid.uuid4().hex
        place = (await provider.offerings())[0].placement
        request = HomeRequest(
            token, f"gs-0badcafe-{token[:26]}", "7", place.region, place.zone, size_gib=20
        )
        return replace(request, **changes)

    async def running(self, provider: Provider) -> Machine:
        """A machine that runs."""
        created = await provider.create(await self.request(provider))
        await self.settle()
        return await self.see(provider, created.id)

    async def stopped(self, provider: Provider) -> Machine:
        """A machine that is stopped."""
        machine = await self.running(provider)
        await provider.stop([machine.id])
        await self.settle()
        return await self.see(provider, machine.id)

    async def home(self, provider: Provider) -> Home:
        """A home that can be attached."""
        created = await provider.create_home(await self.home_request(provider))
        await self.settle()
        return created

    async def with_home(self, provider: Provider) -> tuple[Machine, Home]:
        """A machine that runs, and the home attached to it."""
        machine, home = await self.running(provider), await self.home(provider)
        await provider.attach_home(home.id, machine.id)
        await self.settle()
        return machine, home

    async def nobody(self, one: Machine) -> str:
        """The id of no machine, of the right form; a subclass may know better."""
        last = "0" if one.id[-1] != "0" else "1"
        return one.id[:-5] + "fffe" + last

    async def other_size(self, provider: Provider, machine: Machine) -> str:
        """Another size that is offered in the machine's zone."""
        return next(
            offering.placement.size
            for offering in await provider.offerings()
            if offering.placement.zone == machine.placement.zone
            and offering.placement.size != machine.placement.size
        )

    async def see(self, provider: Provider, id: str) -> Machine:  # noqa: A002
        """The machine as it is listed."""
        return next(m for m in (await provider.list()).machines if m.id == id)

    async def power(self, provider: Provider, id: str) -> Power:  # noqa: A002
        """The machine's power as it is listed."""
        return (await self.see(provider, id)).power


async def refused(error: type[E], doing: Awaitable[object]) -> E:
    """The error of exactly this class that `doing` ends with.

    Raises:
        AssertionError: it did not fail, or otherwise.
    """
    try:
        result: object = await doing
    except ProviderError as raised:
        result = raised
    if type(result) is not error:
        raise AssertionError(f"{error.__name__} was due, not {result!r}")
    return result

"""The part of the providers' contract that is about homes."""

# ruff: noqa: D102 - a test's name is its sentence

from __future__ import annotations

from gpuspawner.errors import InvalidSpec, MachineNotFound, WrongState
from gpuspawner.model import Home
from gpuspawner.providers.base import Provider
from gpuspawner.testing.steps import Steps, refused


class HomeContract(Steps):
    """Homes: created once, kept, attached to one machine of their zone, deleted by an admin."""

    async def test_a_home_is_listed_with_its_tags(self, provider: Provider) -> None:
        request = await self.home_request(provider)
        created = await provider.create_home(request)
        await self.settle()
        (home,) = (await provider.list()).homes
        assert home == Home(
            id=created.id,
            region=request.region,
            zone=request.zone,
            size_gib=request.size_gib,
            created_at=home.created_at,
            claim=request.claim,
            owner_id=request.owner_id,
            machine_id=None,
            device=created.device,
            ready=True,
        )

    async def test_the_same_token_makes_no_second_home(self, provider: Provider) -> None:
        request = await self.home_request(provider)
        first, second = await provider.create_home(request), await provider.create_home(request)
        assert first.id == second.id
        assert len((await provider.list()).homes) == 1

    async def test_a_home_outlives_its_machine(self, provider: Provider) -> None:
        machine, home = await self.with_home(provider)
        await provider.delete(machine.id)
        await self.settle()
        world = await provider.list()
        (seen,) = world.homes
        assert (seen.id, seen.machine_id, world.machines) == (home.id, None, ())

    async def test_an_attached_home_names_its_machine(self, provider: Provider) -> None:
        machine, home = await self.with_home(provider)
        (seen,) = (await provider.list()).homes
        assert (seen.id, seen.machine_id) == (home.id, machine.id)

    async def test_attaching_twice_is_no_error(self, provider: Provider) -> None:
        machine, home = await self.with_home(provider)
        await provider.attach_home(home.id, machine.id)

    async def test_a_home_goes_to_a_stopped_machine_too(self, provider: Provider) -> None:
        machine, home = await self.stopped(provider), await self.home(provider)
        await provider.attach_home(home.id, machine.id)
        await self.settle()
        (seen,) = (await provider.list()).homes
        assert seen.machine_id == machine.id

    async def test_a_home_does_not_go_to_a_pending_machine(self, provider: Provider) -> None:
        home = await self.home(provider)
        machine = await provider.create(await self.request(provider))
        await refused(WrongState, provider.attach_home(home.id, machine.id))

    async def test_a_home_does_not_go_to_two_machines(self, provider: Provider) -> None:
        _, home = await self.with_home(provider)
        other = await self.running(provider)
        await refused(WrongState, provider.attach_home(home.id, other.id))

    async def test_a_home_does_not_go_to_another_zone(self, provider: Provider) -> None:
        here = (await provider.offerings())[0].placement.zone
        there = next(
            offering.placement
            for offering in await provider.offerings()
            if offering.placement.zone != here
        )
        home = await self.home(provider)
        machine = await provider.create(await self.request(provider, placement=there))
        await self.settle()
        await refused(InvalidSpec, provider.attach_home(home.id, machine.id))

    async def test_an_attached_home_is_not_deleted(self, provider: Provider) -> None:
        _, home = await self.with_home(provider)
        await refused(WrongState, provider.delete_home(home.id))
        assert [h.id for h in (await provider.list()).homes] == [home.id]

    async def test_a_free_home_is_deleted_until_nothing_is_left(self, provider: Provider) -> None:
        home = await self.home(provider)
        await provider.delete_home(home.id)
        await self.settle()
        await refused(MachineNotFound, provider.delete_home(home.id))
        assert (await provider.list()).homes == ()

    async def test_delete_never_deletes_a_home(self, provider: Provider) -> None:
        home = await self.home(provider)
        await refused(MachineNotFound, provider.delete(home.id))
        assert [h.id for h in (await provider.list()).homes] == [home.id]

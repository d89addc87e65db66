"""The rules of `gpuspawner.providers.base`, as tests that every provider passes.

A sentence and its opposite stand together. A subclass says how to reach its cloud; see
`ProviderContract`.
"""

# ruff: noqa: D102 - a test's name is its sentence

from __future__ import annotations

import uuid
from dataclasses import replace

from gpuspawner.errors import InvalidSpec, MachineNotFound, WrongState
from gpuspawner.model import Home, Power
from gpuspawner.providers.base import Provider, Severity
from gpuspawner.testing.steps import Steps, refused


class ProviderContract(Steps):
    """Mix this into a test class and give it the fixtures `provider` and `stranger`, and `settle`.

    `provider` is bootstrapped and its account is empty; `stranger` is the same account seen through
    another hub's tag. The methods are coroutines: run pytest-asyncio in its auto mode.
    """

    # Looking.

    async def test_an_account_of_its_own_is_empty(self, provider: Provider) -> None:
        world = await provider.list()
        assert (world.machines, world.homes, world.fragments) == ((), (), ())

    async def test_offerings_say_what_a_placement_is_and_costs(self, provider: Provider) -> None:
        for offering in await provider.offerings():
            assert offering.vcpus > 0
            assert offering.memory_mib > 0
            assert offering.price_micros > 0

    async def test_no_placement_is_offered_twice(self, provider: Provider) -> None:
        placements = [offering.placement for offering in await provider.offerings()]
        assert len(placements) == len(set(placements)) > 0

    async def test_a_sound_account_has_no_finding_that_is_an_error(
        self, provider: Provider
    ) -> None:
        errors = [f for f in await provider.check() if f.severity is Severity.ERROR]
        assert errors == []

    async def test_looking_changes_nothing(self, provider: Provider) -> None:
        await provider.check()
        await provider.quota((await provider.offerings())[0])
        await self.test_an_account_of_its_own_is_empty(provider)

    # Creating.

    async def test_a_created_machine_comes_up_as_it_was_asked_for(self, provider: Provider) -> None:
        request = await self.request(provider)
        created = await provider.create(request)
        await self.settle()
        (machine,) = (await provider.list()).machines
        assert (machine.id, machine.power) == (created.id, Power.RUNNING)
        assert (machine.placement, machine.image) == (request.placement, request.image)
        assert machine.address is not None

    async def test_a_machine_carries_its_tags_from_the_first_listing_on(
        self, provider: Provider
    ) -> None:
        request = await self.request(provider)
        await provider.create(request)
        (machine,) = (await provider.list()).machines
        tags = (machine.claim, machine.intent, machine.owner_id)
        assert tags == (request.claim, request.intent, request.owner_id)

    async def test_the_same_request_again_makes_no_second_machine(self, provider: Provider) -> None:
        request = await self.request(provider)
        first, second = await provider.create(request), await provider.create(request)
        assert first.id == second.id
        assert len((await provider.list()).machines) == 1

    async def test_another_intent_makes_a_second_machine(self, provider: Provider) -> None:
        request = await self.request(provider)
        first = await provider.create(request)
        second = await provider.create(replace(request, intent=str(uuid.uuid4())))
        assert {m.id for m in (await provider.list()).machines} == {first.id, second.id}
        assert first.id != second.id

    async def test_the_same_intent_for_another_machine_is_refused(self, provider: Provider) -> None:
        request = await self.request(provider)
        created = await provider.create(request)
        other = replace(request, user_data=b'#cloud-config\n{"other": 1}\n')
        await refused(InvalidSpec, provider.create(other))
        assert [m.id for m in (await provider.list()).machines] == [created.id]

    async def test_another_hub_sees_nothing_of_ours(
        self, provider: Provider, stranger: Provider
    ) -> None:
        await provider.create(await self.request(provider))
        await provider.create_home(await self.home_request(provider))
        await self.test_an_account_of_its_own_is_empty(stranger)
        world = await provider.list()
        assert (len(world.machines), len(world.homes)) == (1, 1)

    # Stopping and starting.

    async def test_a_stopped_machine_is_stopped_and_keeps_its_id(self, provider: Provider) -> None:
        machine = await self.running(provider)
        assert await provider.stop([machine.id]) == {}
        await self.settle()
        assert await self.power(provider, machine.id) is Power.STOPPED

    async def test_stopping_twice_is_no_error(self, provider: Provider) -> None:
        machine = await self.running(provider)
        await provider.stop([machine.id])
        assert await provider.stop([machine.id]) == {}
        await self.settle()
        assert await provider.stop([machine.id]) == {}

    async def test_a_stopped_machine_starts(self, provider: Provider) -> None:
        machine = await self.stopped(provider)
        assert await provider.start([machine.id], machine.placement.size) == {}
        await self.settle()
        assert await self.power(provider, machine.id) is Power.RUNNING

    async def test_starting_a_machine_that_runs_is_no_error(self, provider: Provider) -> None:
        machine = await self.running(provider)
        assert await provider.start([machine.id], machine.placement.size) == {}
        assert await self.power(provider, machine.id) is Power.RUNNING

    async def test_a_machine_that_is_stopping_does_not_start_yet(self, provider: Provider) -> None:
        machine = await self.running(provider)
        await provider.stop([machine.id])
        errors = await provider.start([machine.id], machine.placement.size)
        assert {id_: type(error) for id_, error in errors.items()} == {machine.id: WrongState}

    async def test_a_bad_id_does_not_keep_the_others_from_stopping(
        self, provider: Provider
    ) -> None:
        one, two = await self.running(provider), await self.running(provider)
        bad = await self.nobody(one)
        errors = await provider.stop([one.id, bad, two.id])
        assert {id_: type(error) for id_, error in errors.items()} == {bad: MachineNotFound}
        await self.settle()
        assert await self.power(provider, one.id) is Power.STOPPED
        assert await self.power(provider, two.id) is Power.STOPPED

    async def test_a_bad_id_does_not_keep_the_others_from_starting(
        self, provider: Provider
    ) -> None:
        one, two = await self.stopped(provider), await self.stopped(provider)
        bad = await self.nobody(one)
        errors = await provider.start([one.id, bad, two.id], one.placement.size)
        assert {id_: type(error) for id_, error in errors.items()} == {bad: MachineNotFound}
        await self.settle()
        assert await self.power(provider, one.id) is Power.RUNNING
        assert await self.power(provider, two.id) is Power.RUNNING

    async def test_starting_nothing_and_stopping_nothing_is_fine(self, provider: Provider) -> None:
        assert await provider.start([], "any") == {}
        assert await provider.stop([]) == {}

    async def test_a_start_with_another_size_resizes(self, provider: Provider) -> None:
        machine = await self.stopped(provider)
        other = await self.other_size(provider, machine)
        assert await provider.start([machine.id], other) == {}
        await self.settle()
        (seen,) = (await provider.list()).machines
        assert (seen.id, seen.power) == (machine.id, Power.RUNNING)
        assert seen.placement == replace(machine.placement, size=other)

    async def test_a_machine_that_runs_is_not_resized(self, provider: Provider) -> None:
        machine = await self.running(provider)
        await provider.start([machine.id], await self.other_size(provider, machine))
        (seen,) = (await provider.list()).machines
        assert seen.placement == machine.placement

    # Deleting.

    async def test_deleting_is_repeated_until_nothing_is_left(self, provider: Provider) -> None:
        machine = await self.running(provider)
        await provider.delete(machine.id)
        await self.settle()
        await refused(MachineNotFound, provider.delete(machine.id))
        world = await provider.list()
        assert (world.machines, world.fragments) == ((), ())
        assert machine.id in world.gone

    async def test_deleting_again_while_it_goes_is_no_error(self, provider: Provider) -> None:
        machine = await self.running(provider)
        await provider.delete(machine.id)
        await provider.delete(machine.id)
        assert await self.power(provider, machine.id) is Power.DELETING

    async def test_a_machine_that_is_there_is_not_reported_gone(self, provider: Provider) -> None:
        machine = await self.running(provider)
        assert machine.id not in (await provider.list()).gone

    async def test_another_hub_cannot_delete_ours(
        self, provider: Provider, stranger: Provider
    ) -> None:
        machine = await self.running(provider)
        await refused(MachineNotFound, stranger.delete(machine.id))
        assert await self.power(provider, machine.id) is Power.RUNNING

    # Homes.

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

    # The console.

    async def test_a_machine_has_a_console(self, provider: Provider) -> None:
        machine = await self.running(provider)
        assert isinstance(await provider.console(machine.id), str)

    async def test_no_machine_has_no_console(self, provider: Provider) -> None:
        bad = await self.nobody(await self.running(provider))
        await refused(MachineNotFound, provider.console(bad))

"""The rules of `gpuspawner.providers.base`, as tests that every provider passes.

A sentence and its opposite stand together. A subclass says how to reach its cloud; see
`ProviderContract`.
"""

# ruff: noqa: D102 - a test's name is its sentence

from __future__ import annotations

import uuid
from dataclasses import replace

from gpuspawner.errors import InvalidSpec, MachineNotFound, WrongState
from gpuspawner.model import DiskKind, Power, Severity
from gpuspawner.providers.base import Provider
from gpuspawner.testing.contract_homes import HomeContract
from gpuspawner.testing.steps import refused


class ProviderContract(HomeContract):
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

    async def test_an_intent_whose_machine_is_gone_makes_no_other(self, provider: Provider) -> None:
        request = await self.request(provider)
        created = await provider.create(request)
        await self.settle()
        await provider.delete(created.id)
        await self.settle()
        await refused(MachineNotFound, provider.create(request))
        assert (await provider.list()).machines == ()

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

    # What costs money, and from when to when.

    async def test_a_machine_says_since_when_it_runs_and_a_start_moves_that(
        self, provider: Provider
    ) -> None:
        machine = await self.stopped(provider)
        await provider.start([machine.id], machine.placement.size)
        await self.settle()
        again = await self.see(provider, machine.id)
        assert machine.powered_at is not None
        assert again.powered_at is not None
        assert machine.powered_at < again.powered_at

    async def test_a_machine_that_was_stopped_says_when_and_one_that_runs_does_not(
        self, provider: Provider
    ) -> None:
        machine = await self.running(provider)
        assert machine.stopped_at is None
        await provider.stop([machine.id])
        await self.settle()
        stopped = await self.see(provider, machine.id)
        assert machine.powered_at is not None
        assert stopped.stopped_at is not None
        assert machine.powered_at < stopped.stopped_at

    async def test_a_machine_that_was_deleted_still_says_when_for_a_while(
        self, provider: Provider
    ) -> None:
        machine = await self.running(provider)
        await provider.delete(machine.id)
        await self.settle()
        (ended,) = (await provider.list()).ended
        assert (ended.id, ended.powered_at) == (machine.id, machine.powered_at)
        assert ended.stopped_at is not None

    async def test_every_disk_is_listed_for_what_it_costs_until_it_is_gone(
        self, provider: Provider
    ) -> None:
        request = await self.request(provider)
        machine = await provider.create(request)
        home = await self.home(provider)
        await self.settle()
        disks = {disk.kind: disk for disk in (await provider.list()).disks}
        own, kept = disks[DiskKind.OS], disks[DiskKind.HOME]
        assert (own.machine_id, own.claim) == (machine.id, request.claim)
        assert (kept.id, kept.created_at) == (home.id, home.created_at)
        # A cloud may bill more than was asked for.
        assert (own.size_gib >= request.disk_gib, kept.size_gib >= home.size_gib) == (True, True)
        await provider.delete(machine.id)
        await self.settle()
        assert [disk.id for disk in (await provider.list()).disks] == [home.id]

    # The console.

    async def test_a_machine_has_a_console(self, provider: Provider) -> None:
        machine = await self.running(provider)
        assert isinstance(await provider.console(machine.id), str)

    async def test_no_machine_has_no_console(self, provider: Provider) -> None:
        bad = await self.nobody(await self.running(provider))
        await refused(MachineNotFound, provider.console(bad))

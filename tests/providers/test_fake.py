"""The cloud in memory keeps the contract, and its levers work."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from gpuspawner.errors import CapacityError, ProviderUnavailable, QuotaExceeded
from gpuspawner.model import Fragment, Placement, Power
from gpuspawner.providers.base import MachineRequest
from gpuspawner.testing import Call, FakeClock, FakeProvider, ProviderContract, refused


class TestTheContract(ProviderContract):
    @pytest.fixture
    def clock(self):
        self.clock = FakeClock()
        return self.clock

    @pytest.fixture
    def provider(self, clock):
        return FakeProvider(clock)

    @pytest.fixture
    def stranger(self, clock, provider):
        return FakeProvider(clock, hub_id="deadbeef", cloud=provider.cloud)

    async def settle(self):
        await self.clock.advance(60)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def provider(clock):
    return FakeProvider(clock)


SMALL_A = Placement("fake-1", "fake-1a", "small")


def request(placement=SMALL_A):
    return MachineRequest(str(uuid4()), "gs-x", "7", 1, placement, "image-1", 60, b"")


async def power(provider, id_):
    return next(m.power for m in (await provider.list()).machines if m.id == id_)


async def test_a_failure_ordered_before_the_effect_leaves_nothing(provider):
    provider.fail_next("create", ProviderUnavailable("down"))
    await refused(ProviderUnavailable, provider.create(request()))
    assert (await provider.list()).machines == ()


async def test_a_failure_ordered_after_the_effect_leaves_a_machine(provider):
    provider.fail_next("create", ProviderUnavailable("lost"), after_effect=True)
    wanted = request()
    await refused(ProviderUnavailable, provider.create(wanted))
    (machine,) = (await provider.list()).machines
    assert machine.id == (await provider.create(wanted)).id


async def test_a_failure_happens_as_often_as_it_was_ordered_and_no_more(provider):
    provider.fail_next("list", ProviderUnavailable("down"), times=2)
    await refused(ProviderUnavailable, provider.list())
    await refused(ProviderUnavailable, provider.list())
    assert (await provider.list()).machines == ()


async def test_a_failing_stop_names_every_machine_and_stops_none(provider, clock):
    machine = await provider.create(request())
    await clock.advance(60)
    provider.fail_next("stop", ProviderUnavailable("down"))
    assert [*await provider.stop([machine.id])] == [machine.id]
    assert await power(provider, machine.id) is Power.RUNNING


async def test_a_refused_size_is_offered_but_marked_and_the_other_is_not(provider):
    provider.refuse("small")
    marked = {o.placement.size: o.available for o in await provider.offerings()}
    assert marked == {"small": False, "large": True}


async def test_a_refused_placement_refuses_and_its_neighbour_does_not(provider):
    provider.refuse(SMALL_A)
    await refused(CapacityError, provider.create(request()))
    neighbour = replace(SMALL_A, zone="fake-1b")
    assert (await provider.create(request(neighbour))).placement == neighbour


async def test_a_start_needs_room_as_a_creation_does(provider, clock):
    machine = await provider.create(request())
    await clock.advance(60)
    await provider.stop([machine.id])
    await clock.advance(60)
    provider.refuse("small")
    errors = await provider.start([machine.id], "small")
    assert {key: type(error) for key, error in errors.items()} == {machine.id: CapacityError}
    provider.admit("small")
    assert await provider.start([machine.id], "small") == {}


async def test_the_last_place_goes_to_one_machine_only(provider):
    provider.cloud.capacity[SMALL_A] = 1
    await provider.create(request())
    await refused(CapacityError, provider.create(request()))


async def test_the_quota_is_held_and_a_stopped_machine_does_not_count(provider, clock):
    provider.cloud.quota = 4
    machine = await provider.create(request())
    await refused(QuotaExceeded, provider.create(request()))
    await clock.advance(60)
    await provider.stop([machine.id])
    await clock.advance(60)
    assert (await provider.create(request())).power is Power.PENDING


async def test_a_hidden_machine_is_not_listed_but_not_gone_either(provider):
    machine = await provider.create(request())
    provider.hide_from_listing([machine.id])
    world = await provider.list()
    assert (world.machines, world.gone) == ((), frozenset())
    provider.hide_from_listing([])
    assert [m.id for m in (await provider.list()).machines] == [machine.id]


@pytest.mark.parametrize(
    ("halted", "expected"), [(False, Power.STOPPED), (True, Power.HALTED)], ids=["ec2", "azure"]
)
async def test_a_machine_that_powers_itself_off(provider, clock, halted, expected):
    machine = await provider.create(request())
    await clock.advance(60)
    provider.poweroff(machine.id, halted=halted)
    await clock.advance(60)
    (seen,) = (await provider.list()).machines
    assert (seen.power, seen.because) == (expected, "Client.InstanceInitiatedShutdown")


async def test_a_halted_machine_can_be_stopped_for_good(provider, clock):
    machine = await provider.create(request())
    await clock.advance(60)
    provider.poweroff(machine.id, halted=True)
    await clock.advance(60)
    assert await provider.stop([machine.id]) == {}
    await clock.advance(60)
    assert await power(provider, machine.id) is Power.STOPPED


async def test_a_machine_terminated_behind_our_back_is_gone(provider, clock):
    machine = await provider.create(request())
    provider.terminate(machine.id)
    assert await power(provider, machine.id) is Power.DELETING
    await clock.advance(60)
    assert (await provider.list()).gone == {machine.id}


async def test_a_fragment_is_listed_until_it_is_deleted(provider, clock):
    provider.leave_fragment("vol-1", "disk", "gs-x")
    assert (await provider.list()).fragments == (Fragment("vol-1", "disk", clock.now(), "gs-x"),)
    await provider.delete("vol-1")
    assert (await provider.list()).fragments == ()


async def test_transitions_take_their_time(provider, clock):
    machine = await provider.create(request())
    await clock.advance(19)
    assert await power(provider, machine.id) is Power.PENDING
    await clock.advance(1)
    assert await power(provider, machine.id) is Power.RUNNING


async def test_calls_are_recorded_and_reset_forgets_everything(provider):
    wanted = request()
    await provider.create(wanted)
    assert provider.calls == [Call("create", (wanted,))]
    provider.reset()
    assert provider.calls == []
    assert (await provider.list()).machines == ()

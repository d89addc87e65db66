"""The Azure provider where Azure misbehaves: production code and the real SDK, emulated cloud."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest

from gpuspawner.emulator import arm_price_list, arm_prices
from gpuspawner.errors import (
    CapacityError,
    MachineNotFound,
    NotAuthorized,
    ProviderUnavailable,
    QuotaExceeded,
    Throttled,
    WrongState,
)
from gpuspawner.model import Power
from gpuspawner.policy.money import Component
from gpuspawner.providers.base import HomeRequest
from gpuspawner.testing import refused
from tests.providers.azure_cloud import HERE, SIZES, wish

pytestmark = pytest.mark.emulator

LARGER = SIZES[1]


async def running(azure, provider, count=1):
    machines = [await provider.create(wish()) for _ in range(count)]
    await azure.settle()
    return [machine.id for machine in machines]


async def stopped(azure, provider, count=1):
    ids = await running(azure, provider, count)
    assert await provider.stop(ids) == {}
    await azure.settle()
    return ids


async def powers(provider):
    return [machine.power for machine in (await provider.list()).machines]


def kinds(errors):
    return {one: type(error) for one, error in errors.items()}


class TestCalls:
    async def test_a_student_costs_one_write(self, azure):
        provider = azure.provider()
        await provider.bootstrap()
        await azure.calls()
        await provider.create(wish())
        assert await azure.calls() == {"VirtualMachines_CreateOrUpdate": 1}

    async def test_one_listing_is_four_calls_however_many_machines_there_are(self, azure):
        provider = azure.provider()
        await running(azure, provider, 4)
        await azure.calls()
        assert len((await provider.list()).machines) == 4
        assert await azure.calls() == {
            "VirtualMachines_ListAll": 1,
            "VirtualMachines_List": 1,
            "Disks_ListByResourceGroup": 1,
            "NetworkInterfaces_List": 1,
        }

    async def test_a_list_of_many_pages_is_read_to_its_end(self, azure, monkeypatch):
        monkeypatch.setattr("gpuspawner.emulator.arm_pages.PAGE", 2)
        provider = azure.provider()
        await running(azure, provider, 5)
        assert await powers(provider) == [Power.RUNNING] * 5

    async def test_a_failed_listing_is_an_error_and_not_an_empty_world(self, azure):
        provider = azure.provider()
        await running(azure, provider)
        await azure.fault(action="Disks_ListByResourceGroup", code="AuthorizationFailed")
        await refused(NotAuthorized, provider.list())

    async def test_an_answer_that_was_lost_leaves_one_machine(self, azure):
        provider = azure.provider()
        action = "VirtualMachines_CreateOrUpdate"
        await azure.fault(action=action, drop=True, when="after", count=1)
        wanted = wish()
        # aiohttp may itself send a PUT a second time when a connection that was kept breaks.
        with contextlib.suppress(ProviderUnavailable):
            await provider.create(wanted)
        created = await provider.create(wanted)
        assert [m.id for m in (await provider.list()).machines] == [created.id]


class TestTheSubscription:
    async def test_another_than_the_pinned_one_is_refused_before_anything_is_made(self, azure):
        other = "00000000-0000-4000-8000-00000000000f"
        subnet = azure.seed.subnet_id("eastus").replace(azure.seed.subscription, other)
        provider = azure.provider(subscription=other, subnets={"eastus": subnet})
        await refused(NotAuthorized, provider.create(wish()))
        assert "VirtualMachines_CreateOrUpdate" not in await azure.calls()

    async def test_an_operation_that_is_said_to_be_elsewhere_gets_no_token_of_ours(self, azure):
        provider = azure.provider()
        where = f"https://127.0.0.1:9/subscriptions/{azure.seed.subscription}/operations/1"
        await refused(NotAuthorized, provider._calls.get("GetOperation", where))


class TestRefusals:
    @pytest.mark.parametrize(
        ("rule", "error"),
        [
            ({"code": "TooManyRequests"}, Throttled),
            ({"code": "AuthorizationFailed"}, NotAuthorized),
            ({"code": "InternalServerError"}, ProviderUnavailable),
            ({"drop": True}, ProviderUnavailable),
        ],
        ids=["throttled", "forbidden", "fault", "dropped"],
    )
    async def test_every_change_fails_in_our_words(self, azure, rule, error):
        provider = azure.provider()
        (id_,) = await running(azure, provider)
        home = HomeRequest("token", "gs-0badcafe-x", "7", HERE.region, HERE.zone, 20)
        made = await provider.create_home(home)
        for action in (
            "*_CreateOrUpdate", "*_Deallocate", "*_Delete", "VirtualMachines_Attach*",
        ):  # fmt: skip
            await azure.fault(action=action, **rule)
        assert kinds(await provider.stop([id_])) == {id_: error}
        await refused(error, provider.create(wish()))
        await refused(error, provider.delete(id_))
        await refused(error, provider.create_home(replace(home, token="other")))
        await refused(error, provider.attach_home(made.id, id_))
        await refused(error, provider.delete_home(made.id))

    async def test_no_capacity_in_one_zone_leaves_the_others(self, azure):
        await azure.fault(kind="capacity", type=HERE.size, zone="eastus-1", limit=0)
        provider = azure.provider()
        await refused(CapacityError, provider.create(wish()))
        place = replace(HERE, zone="eastus-2")
        assert (await provider.create(wish(place))).placement == place

    @pytest.mark.parametrize("name", ["standardNCASv3_T4Family", "cores"])
    async def test_a_quota_is_told_apart_from_capacity_and_counts_what_is_off(self, azure, name):
        await azure.fault(kind="quota", code=name, limit=4)
        provider = azure.provider()
        await stopped(azure, provider)
        await refused(QuotaExceeded, provider.create(wish()))
        quota = await provider.quota((await provider.offerings())[0])
        assert (quota.code, quota.limit, quota.used) == (name, 4.0, 4.0)

    async def test_when_azure_says_twenty_minutes_nothing_hangs_and_all_is_told(self, azure):
        provider = azure.provider()
        ids = await stopped(azure, provider)
        provider._calls.limits.refused("writes", "UpdateVM", 1200.0)
        errors = await provider.start(ids, HERE.size)
        assert kinds(errors) == dict.fromkeys(ids, Throttled)
        assert errors[ids[0]].retry_after == pytest.approx(1200, rel=0.01)
        assert await provider.stop(ids) == {}

    async def test_real_throttling_is_never_met_by_a_whole_class_at_once(self, azure):
        await azure.fault(kind="throttle", on=True)
        await azure.fault(kind="quota", code="cores", limit=10000)
        await azure.fault(kind="quota", code="standardNCASv3_T4Family", limit=10000)
        provider = azure.provider()
        ids = await stopped(azure, provider, 20)
        assert await provider.start(ids, HERE.size) == {}


class TestLateRefusals:
    async def test_a_machine_that_never_got_hardware_is_off_and_says_why(self, azure):
        provider = azure.provider()
        await azure.fault(kind="capacity", type=HERE.size, zone="*", limit=0, late=True)
        await provider.create(wish())
        await azure.settle()
        (machine,) = (await provider.list()).machines
        assert (machine.power, machine.because) == (Power.STOPPED, "ZonalAllocationFailed")
        assert (await azure.bill())["totals"]["machine"] == 0

    async def test_the_reason_is_asked_for_once(self, azure):
        provider = azure.provider()
        await azure.fault(kind="capacity", type=HERE.size, zone="*", limit=0, late=True)
        await provider.create(wish())
        await azure.settle()
        await azure.calls()
        await provider.list()
        await provider.list()
        assert (await azure.calls())["Operations_Get"] == 1

    async def test_a_start_that_failed_late_is_answered_once_and_then_tried_again(self, azure):
        provider = azure.provider()
        ids = await stopped(azure, provider)
        await azure.fault(kind="capacity", type=HERE.size, zone="*", limit=0, late=True)
        assert await provider.start(ids, HERE.size) == {}
        await azure.settle()
        assert kinds(await provider.start(ids, HERE.size)) == {ids[0]: CapacityError}
        await azure.fault(kind="capacity", type=HERE.size, zone="*", limit=None)
        assert await provider.start(ids, HERE.size) == {}
        await azure.settle()
        assert await powers(provider) == [Power.RUNNING]

    async def test_another_size_is_not_held_back_by_it(self, azure):
        provider = azure.provider()
        ids = await stopped(azure, provider)
        await azure.fault(kind="capacity", type=HERE.size, zone="*", limit=0, late=True)
        await provider.start(ids, HERE.size)
        await azure.settle()
        assert await provider.start(ids, LARGER) == {}
        await azure.settle()
        (machine,) = (await provider.list()).machines
        assert (machine.power, machine.placement.size) == (Power.RUNNING, LARGER)


class TestAfterARestart:
    async def test_a_machine_that_another_process_had_deleted_is_known_to_be_gone(self, azure):
        before = azure.provider()
        (id_,) = await running(azure, before)
        await before.delete(id_)
        await azure.settle()
        after = azure.provider()
        assert (await after.list()).gone == frozenset()
        assert (await after.list([id_])).gone == {id_}

    async def test_one_that_is_to_go_and_is_there_is_not(self, azure):
        (id_,) = await running(azure, azure.provider())
        after = azure.provider()
        world = await after.list([id_])
        assert (world.gone, [one.power for one in world.machines]) == (frozenset(), [Power.RUNNING])


class TestTheConsole:
    async def test_a_machine_that_somebody_deletes_there_is_known_to_be_gone_at_once(self, azure):
        provider = azure.provider()
        gone, stays = await running(azure, provider, 2)
        await provider.list()
        await azure.post(f"machines/{gone}/power", {"action": "terminate"})
        await azure.settle()
        world = await provider.list()
        assert (world.gone, [one.id for one in world.machines]) == ({gone}, [stays])

    async def test_a_list_that_lags_behind_loses_none_that_is_there(self, azure):
        provider = azure.provider()
        (id_,) = await running(azure, provider)
        await provider.list()
        await azure.fault(kind="lag", hidden=10_000, stale=0)
        world = await provider.list()
        assert (world.gone, [one.id for one in world.machines]) == (frozenset(), [id_])


class TestTheFirstBoot:
    async def test_is_not_charged_though_azure_shows_the_machine_as_running(self, azure):
        provider = azure.provider()
        await provider.create(wish())
        await azure.settle(6)  # of eight
        shown = (await provider._calls.all_of("ListStatus", status_only="true"))[0]
        codes = [one["code"] for one in shown["properties"]["instanceView"]["statuses"]]
        assert codes == [
            "ProvisioningState/creating/osProvisioningInProgress",
            "PowerState/running",
        ]
        (machine,) = (await provider.list()).machines
        assert (machine.power, machine.powered_at, machine.because) == (Power.PENDING, None, "")
        await azure.settle(6)
        (machine,) = (await provider.list()).machines
        assert (machine.power, machine.powered_at is None) == (Power.RUNNING, False)


class TestHalted:
    async def test_a_machine_switched_off_from_inside_is_billed_until_it_is_deallocated(
        self, azure
    ):
        provider = azure.provider()
        (id_,) = await running(azure, provider)
        await azure.post(f"machines/{id_}/power", {"action": "off"})
        await azure.settle(3600)
        assert await powers(provider) == [Power.HALTED]
        assert (await azure.bill())["totals"]["machine"] >= 526_000
        assert await provider.stop([id_]) == {}
        await azure.settle()
        assert await powers(provider) == [Power.STOPPED]
        billed = (await azure.bill())["totals"]["machine"]
        await azure.settle(3600)
        assert (await azure.bill())["totals"]["machine"] == billed

    async def test_a_machine_that_is_being_made_can_be_stopped(self, azure):
        provider = azure.provider()
        created = await provider.create(wish())
        assert await provider.stop([created.id]) == {}
        await azure.settle()
        assert await powers(provider) == [Power.STOPPED]

    async def test_stopping_goes_on_when_looking_fails_and_starting_waits(self, azure):
        provider = azure.provider()
        ids = await running(azure, provider, 2)
        await azure.fault(action="VirtualMachines_List*", code="AuthorizationFailed", count=4)
        assert kinds(await provider.start(ids, HERE.size)) == dict.fromkeys(ids, NotAuthorized)
        assert await provider.stop(ids) == {}
        await azure.post("faults", [])
        await azure.settle()


class TestFragments:
    async def test_an_interface_left_by_its_machine_is_one_and_can_be_deleted(self, azure):
        provider = azure.provider()
        await running(azure, provider)
        world = azure.emulator.world
        (nic,) = world.nics.values()
        nic.delete_with_machine = False
        (machine,) = (await provider.list()).machines
        await provider.delete(machine.id)
        await azure.settle()
        await provider.list()
        await azure.settle(400)
        (fragment,) = (await provider.list()).fragments
        assert (fragment.kind, fragment.claim) == ("nic", machine.claim)
        await refused(MachineNotFound, azure.provider("deadbeef").delete(fragment.id))
        await provider.delete(fragment.id)
        assert (await provider.list()).fragments == ()

    async def test_a_disk_left_by_its_machine_is_one_and_deleting_takes_it_too(self, azure):
        provider = azure.provider()
        (id_,) = await running(azure, provider)
        vm = azure.emulator.world.vms[id_]
        vm.keep[vm.os_disk.name] = True
        await provider.delete(id_)
        await azure.settle(400)
        (fragment,) = (await provider.list()).fragments
        assert (fragment.id, fragment.kind) == (f"disk/{id_}-os", "disk")
        await refused(MachineNotFound, provider.delete_home(f"{id_}-os"))
        await provider.delete(id_)
        await refused(MachineNotFound, provider.delete(id_))
        assert (await provider.list()).fragments == ()


async def test_two_changes_of_one_machine_at_once_wait_for_the_next_look(azure):
    provider = azure.provider()
    (id_,) = await running(azure, provider)
    home = HomeRequest("token", "gs-0badcafe-x", "7", HERE.region, HERE.zone, 20)
    made = await provider.create_home(home)
    other = await provider.create_home(replace(home, token="other"))
    await provider.attach_home(made.id, id_)
    await refused(WrongState, provider.attach_home(other.id, id_))


async def test_the_emulated_price_list_says_what_the_emulated_bill_counts(azure):
    url = azure.emulator.plain_url + arm_price_list.PATH
    quotes = await azure.provider(price_list_url=url).fetch_prices()
    found = {(quote.thing.sku, quote.thing.component): quote.rate.num for quote in quotes}
    disk = arm_prices.DISKS["StandardSSD_LRS"]
    assert found == {
        **{(size, Component.COMPUTE): arm_prices.MACHINES[size] for size in SIZES},
        ("StandardSSD_LRS", Component.DISK): disk,
        ("StandardSSD_LRS", Component.HOME): disk,
    }
    await refused(ProviderUnavailable, azure.provider().fetch_prices())

"""The AWS provider where EC2 misbehaves: production code and the real boto3, emulated cloud."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpuspawner.errors import (
    CapacityError,
    InvalidSpec,
    MachineNotFound,
    NotAuthorized,
    ProviderUnavailable,
    QuotaExceeded,
    Throttled,
)
from gpuspawner.model import Power
from gpuspawner.providers.base import HomeRequest
from gpuspawner.testing import refused
from tests.providers.aws_cloud import HERE, wish

pytestmark = pytest.mark.emulator

G6 = replace(HERE, size="g6.xlarge")


async def running(cloud, provider, count=1):
    machines = [await provider.create(wish()) for _ in range(count)]
    await cloud.settle()
    return [machine.id for machine in machines]


async def stopped(cloud, provider, count=1):
    ids = await running(cloud, provider, count)
    assert await provider.stop(ids) == {}
    await cloud.settle()
    return ids


async def powers(provider):
    return [machine.power for machine in (await provider.list()).machines]


def kinds(errors):
    return {one: type(error) for one, error in errors.items()}


class TestRefusals:
    async def test_no_capacity_is_asked_for_once_although_it_is_a_server_error(self, cloud):
        provider = cloud.provider()
        await cloud.fault(kind="capacity", type="g4dn.xlarge", zone="us-east-1a", limit=0)
        await provider.bootstrap()
        await cloud.calls()
        await refused(CapacityError, provider.create(wish()))
        assert (await cloud.calls())["RunInstances"] == 1

    async def test_another_zone_has_room(self, cloud):
        await cloud.fault(kind="capacity", type="g4dn.xlarge", zone="us-east-1a", limit=0)
        place = replace(HERE, zone="us-east-1b")
        assert (await cloud.provider().create(wish(place))).placement == place

    async def test_the_quota_is_told_apart_from_capacity(self, cloud):
        await cloud.fault(kind="quota", code="L-DB2E81BA", limit=4)
        provider = cloud.provider()
        await provider.create(wish())
        await refused(QuotaExceeded, provider.create(wish()))
        quota = await provider.quota((await provider.offerings())[0])
        assert (quota.code, quota.limit, quota.used) == ("L-DB2E81BA", 4.0, 4.0)

    @pytest.mark.parametrize(
        ("rule", "error"),
        [
            ({"code": "RequestLimitExceeded"}, Throttled),
            ({"code": "UnauthorizedOperation"}, NotAuthorized),
            ({"code": "InternalError"}, ProviderUnavailable),
            ({"drop": True}, ProviderUnavailable),
        ],
        ids=["throttled", "forbidden", "fault", "dropped"],
    )
    async def test_every_change_fails_in_our_words(self, cloud, rule, error):
        provider = cloud.provider()
        (id_,) = await running(cloud, provider)
        home = HomeRequest("token", "gs-x", "7", HERE.region, HERE.zone, 20)
        made = await provider.create_home(home)
        for action in ("Run*", "Stop*", "Terminate*", "Create*", "Attach*", "DeleteVolume"):
            await cloud.fault(action=action, **rule)
        assert kinds(await provider.stop([id_])) == {id_: error}
        await refused(error, provider.create(wish()))
        await refused(error, provider.delete(id_))
        await refused(error, provider.create_home(replace(home, token="other")))
        await refused(error, provider.attach_home(made.id, id_))
        await refused(error, provider.delete_home(made.id))

    async def test_an_answer_that_was_lost_leaves_one_machine(self, cloud):
        provider = cloud.provider()
        await cloud.fault(action="RunInstances", drop=True, when="after", count=1)
        wanted = wish()
        await refused(ProviderUnavailable, provider.create(wanted))
        created = await provider.create(wanted)
        assert [m.id for m in (await provider.list()).machines] == [created.id]

    async def test_a_throttled_call_slows_us_down(self, cloud):
        provider = cloud.provider()
        await cloud.fault(action="RunInstances", code="RequestLimitExceeded", count=1)
        bucket = provider._calls._limits.bucket("RunInstances")
        before = bucket.rate
        error = await refused(Throttled, provider.create(wish()))
        assert (bucket.rate, error.retry_after) == (before / 2, 2 / before)


class TestListing:
    async def test_a_failed_listing_is_an_error_and_not_an_empty_world(self, cloud):
        provider = cloud.provider()
        await running(cloud, provider)
        await cloud.fault(action="DescribeVolumes", code="UnauthorizedOperation")
        await refused(NotAuthorized, provider.list())

    async def test_one_listing_is_two_calls_however_many_machines_there_are(self, cloud):
        provider = cloud.provider()
        await running(cloud, provider, 4)
        await cloud.calls()
        assert len((await provider.list()).machines) == 4
        assert await cloud.calls() == {"DescribeInstances": 1, "DescribeVolumes": 1}

    async def test_what_is_not_shown_yet_is_not_taken_for_gone(self, cloud):
        provider = cloud.provider()
        await cloud.fault(kind="lag", hidden=60)
        machine = await provider.create(wish())
        await refused(ProviderUnavailable, provider.delete(machine.id))
        assert kinds(await provider.stop([machine.id])) == {machine.id: ProviderUnavailable}
        await cloud.settle(61)
        await provider.delete(machine.id)
        await cloud.settle()
        await refused(MachineNotFound, provider.delete(machine.id))

    async def test_tags_of_the_admin_are_on_everything(self, cloud):
        await cloud.provider().create(wish())
        (instance,) = await cloud.provider()._look.instances()
        assert {"Key": "course", "Value": "ml-101"} in instance["Tags"]


class TestStartingAndStopping:
    async def test_many_machines_stop_with_one_call(self, cloud):
        provider = cloud.provider()
        ids = await running(cloud, provider, 4)
        await cloud.calls()
        assert await provider.stop(ids) == {}
        assert await cloud.calls() == {"DescribeInstances": 1, "StopInstances": 1}

    async def test_stopping_goes_on_when_looking_fails(self, cloud):
        provider = cloud.provider()
        ids = await running(cloud, provider, 2)
        await cloud.fault(action="DescribeInstances", code="UnauthorizedOperation", count=1)
        assert await provider.stop(ids) == {}
        await cloud.settle()
        assert await powers(provider) == [Power.STOPPED, Power.STOPPED]

    async def test_starting_waits_when_looking_fails(self, cloud):
        provider = cloud.provider()
        ids = await stopped(cloud, provider)
        await cloud.fault(action="DescribeInstances", code="UnauthorizedOperation", count=1)
        assert kinds(await provider.start(ids, HERE.size)) == dict.fromkeys(ids, NotAuthorized)
        assert await powers(provider) == [Power.STOPPED]

    async def test_as_many_start_as_there_is_room_for(self, cloud):
        provider = cloud.provider()
        ids = await stopped(cloud, provider, 3)
        await cloud.fault(kind="capacity", type="g4dn.xlarge", zone="us-east-1a", limit=2)
        errors = await provider.start(ids, HERE.size)
        assert [*kinds(errors).values()] == [CapacityError]
        await cloud.settle()
        assert sorted(await powers(provider)) == [Power.RUNNING, Power.RUNNING, Power.STOPPED]

    async def test_a_machine_refused_for_capacity_starts_as_another_size(self, cloud):
        provider = cloud.provider()
        (id_,) = await stopped(cloud, provider)
        await cloud.fault(kind="capacity", type="g4dn.xlarge", zone="*", limit=0)
        assert kinds(await provider.start([id_], HERE.size)) == {id_: CapacityError}
        assert await provider.start([id_], G6.size) == {}
        await cloud.settle()
        (machine,) = (await provider.list()).machines
        assert (machine.id, machine.power, machine.placement) == (id_, Power.RUNNING, G6)

    async def test_a_resize_that_fails_keeps_only_its_own_machine_from_starting(self, cloud):
        provider = cloud.provider()
        one, two = await stopped(cloud, provider, 2)
        await cloud.fault(action="ModifyInstanceAttribute", code="UnsupportedOperation", count=1)
        assert kinds(await provider.start([one, two], G6.size)) == {one: InvalidSpec}


class TestDisks:
    async def test_a_disk_left_by_its_machine_is_a_fragment_and_can_be_deleted(self, cloud):
        provider = cloud.provider()
        tags = [
            {"Key": f"gpuspawner:{key}", "Value": value}
            for key, value in (("hub", "0badcafe"), ("claim", "gs-x"), ("role", "os-disk"))
        ]
        left = await provider._calls.ask(
            "CreateVolume",
            AvailabilityZone=HERE.zone,
            Size=60,
            VolumeType="gp3",
            TagSpecifications=[{"ResourceType": "volume", "Tags": tags}],
        )
        await cloud.settle(301)
        (fragment,) = (await provider.list()).fragments
        assert (fragment.id, fragment.kind, fragment.claim) == (left["VolumeId"], "disk", "gs-x")
        await refused(MachineNotFound, provider.delete_home(fragment.id))
        await provider.delete(fragment.id)
        assert (await provider.list()).fragments == ()
        await refused(MachineNotFound, provider.delete(fragment.id))

    async def test_another_hub_cannot_delete_our_home(self, cloud):
        ours, theirs = cloud.provider(), cloud.provider("deadbeef")
        home = await ours.create_home(HomeRequest("token", "gs-x", "7", HERE.region, HERE.zone, 20))
        await refused(MachineNotFound, theirs.delete_home(home.id))
        assert [h.id for h in (await ours.list()).homes] == [home.id]


async def test_the_console_of_an_older_type_is_the_one_that_was_kept(cloud):
    provider = cloud.provider()
    (id_,) = await running(cloud, provider)
    rule = {"action": "GetConsoleOutput", "code": "UnsupportedOperation"}
    await cloud.fault(**rule, match={"Latest": "true"})
    assert isinstance(await provider.console(id_), str)

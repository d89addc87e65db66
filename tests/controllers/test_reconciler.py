"""The student's path and its accidents, between a cloud in memory and a real database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpuspawner.errors import (
    CapacityError,
    InvalidSpec,
    NotAuthorized,
    NotTheLeader,
    ProviderUnavailable,
    QuotaExceeded,
    Throttled,
)
from gpuspawner.language import say
from gpuspawner.model import Desired, Placement, Power, Reason
from gpuspawner.model import Stage as Phase
from gpuspawner.store import events
from tests.controllers.stage import LARGE, SMALL, Stage, name_of, staged


@pytest.fixture
async def stage(tmp_path):
    async with staged(tmp_path) as one:
        yield one


# -- the path


async def test_a_first_start_makes_one_machine_and_one_home_and_brings_them_together(stage: Stage):
    await stage.wants("alice")
    await stage.pass_time(60)

    [machine] = await stage.machines("alice")
    [home] = await stage.homes("alice")
    assert machine.power is Power.RUNNING
    assert (home.machine_id, home.zone) == (machine.id, machine.placement.zone)
    assert (stage.asked("create"), stage.asked("create_home"), stage.asked("attach_home")) == (
        1,
        1,
        1,
    )
    assert await stage.history("alice") == ["capacity", "machine", "boot", "boot"]


async def test_the_intent_is_committed_before_the_cloud_is_asked(stage: Stage):
    stage.provider.fail_next("create", ProviderUnavailable("lost"), after_effect=True)
    await stage.wants("alice")
    await stage.tick()

    stage.restart_controller()
    await stage.pass_time(60)

    assert len(await stage.machines("alice")) == 1
    claim = await stage.claim("alice")
    assert claim.machine_id == (await stage.machines("alice"))[0].id


async def test_a_stop_ends_the_bill_and_keeps_machine_and_home(stage: Stage):
    await stage.runs("alice")
    await stage.stops("alice")
    await stage.reports("alice", "saved")
    await stage.pass_time(60)

    assert await stage.billed() == []
    assert [one.power for one in await stage.machines("alice")] == [Power.STOPPED]
    assert len(await stage.homes("alice")) == 1


async def test_a_stop_waits_for_the_machine_to_save_and_no_longer_than_a_minute(stage: Stage):
    await stage.runs("alice")
    await stage.beats("alice")
    await stage.stops("alice")
    await stage.pass_time(30)
    assert stage.asked("stop") == 0
    await stage.beats("alice")
    await stage.pass_time(33)
    assert stage.asked("stop") >= 1


async def test_a_second_start_wakes_the_same_machine_with_the_same_home(stage: Stage):
    first = await stage.runs("alice")
    [home] = await stage.homes("alice")
    await stage.stops("alice")
    await stage.pass_time(120)

    again = await stage.runs("alice")

    assert (again.machine_id, again.generation) == (first.machine_id, first.generation + 1)
    assert [one.id for one in await stage.homes("alice")] == [home.id]
    assert stage.asked("create") == 1


async def test_another_size_resizes_the_stopped_machine(stage: Stage):
    first = await stage.runs("alice")
    await stage.stops("alice")
    await stage.pass_time(120)

    await stage.runs("alice", LARGE)

    [machine] = await stage.machines("alice")
    assert (machine.id, machine.placement.size) == (first.machine_id, "large")
    assert stage.asked("create") == 1


async def test_another_image_makes_the_machine_anew_and_keeps_the_home(stage: Stage):
    first = await stage.runs("alice")
    [home] = await stage.homes("alice")
    await stage.stops("alice")
    await stage.pass_time(120)

    await stage.wants("alice", replace(SMALL, image="other"))
    await stage.pass_time(180)

    [machine] = await stage.machines("alice")
    assert machine.id != first.machine_id
    assert [(one.id, one.machine_id) for one in await stage.homes("alice")] == [
        (home.id, machine.id)
    ]


async def test_deleting_leaves_the_home_and_nothing_else_and_the_claim_is_forgotten(stage: Stage):
    await stage.runs("alice")
    await stage.deletes("alice")
    await stage.reports("alice", "saved")
    await stage.pass_time(120)

    assert await stage.machines("alice") == []
    assert len(await stage.homes("alice")) == 1
    with pytest.raises(Exception, match=name_of("alice")):
        await stage.claim("alice")


async def test_a_new_machine_after_deletion_gets_the_old_home_in_its_zone(stage: Stage):
    await stage.runs("alice")
    [home] = await stage.homes("alice")
    await stage.deletes("alice")
    await stage.pass_time(200)

    await stage.runs("alice")

    assert [one.id for one in await stage.homes("alice")] == [home.id]
    assert (await stage.machines("alice"))[0].placement.zone == home.zone


# -- cancelled and refused starts leave nothing


async def test_a_start_cancelled_before_it_was_planned_makes_nothing(stage: Stage):
    await stage.wants("alice")
    await stage.stops("alice")
    await stage.pass_time(60)
    assert stage.asked("create") == 0


async def test_a_start_cancelled_while_the_machine_is_made_ends_stopped(stage: Stage):
    await stage.wants("alice")
    await stage.tick()
    await stage.stops("alice")
    await stage.pass_time(120)
    assert await stage.billed() == []


async def test_a_start_cancelled_with_its_answer_lost_is_found_and_stopped(stage: Stage):
    stage.provider.fail_next("create", ProviderUnavailable("lost"), after_effect=True)
    await stage.wants("alice")
    await stage.tick()
    await stage.stops("alice")
    await stage.pass_time(180)
    assert len(await stage.machines("alice")) == 1
    assert await stage.billed() == []


async def test_a_start_that_is_never_up_is_given_up_and_its_machine_stopped(stage: Stage):
    await stage.wants("alice", start_by=90)
    await stage.pass_time(180)
    claim = await stage.claim("alice")
    assert (claim.desired, claim.reason) == (Desired.STOPPED, Reason.START_TIMEOUT)
    assert await stage.billed() == []


async def test_a_full_zone_is_left_for_the_next_one_in_the_same_pass_or_the_one_after(stage: Stage):
    stage.provider.refuse(Placement("fake-1", "fake-1a", "small"))
    await stage.runs("alice")
    assert [one.placement.zone for one in await stage.machines("alice")] == ["fake-1b"]


async def test_a_refusal_spares_the_next_student_the_same_refusal(stage: Stage):
    stage.provider.refuse(Placement("fake-1", "fake-1a", "small"))
    await stage.runs("alice")
    before = stage.asked("create")
    await stage.runs("bob")
    assert stage.asked("create") == before + 1


async def test_a_full_cloud_ends_the_wish_with_a_sentence_and_makes_nothing(stage: Stage):
    stage.provider.refuse("small")
    await stage.wants("alice")
    await stage.pass_time(30)
    claim = await stage.claim("alice")
    assert (claim.desired, claim.reason) == (Desired.STOPPED, Reason.CAPACITY)
    assert "large" in claim.because.text()
    assert await stage.machines() == []


async def test_a_full_cloud_at_a_second_start_keeps_the_machine(stage: Stage):
    await stage.runs("alice")
    await stage.stops("alice")
    await stage.pass_time(120)
    stage.provider.refuse("small")

    await stage.wants("alice")
    await stage.pass_time(30)

    assert (await stage.claim("alice")).reason is Reason.CAPACITY
    assert [one.power for one in await stage.machines("alice")] == [Power.STOPPED]


async def test_a_quota_refusal_ends_the_wish_without_trying_other_zones(stage: Stage):
    stage.provider.fail_next("create", QuotaExceeded("32 of 32 vCPU"))
    await stage.wants("alice")
    await stage.pass_time(30)
    assert (await stage.claim("alice")).reason is Reason.QUOTA
    assert stage.asked("create") == 1
    assert "32 of 32" in stage.seen.problems[name_of("alice")]


@pytest.mark.parametrize("error", [InvalidSpec("no such image"), NotAuthorized("denied")])
async def test_a_mistake_of_the_admins_ends_the_wish_and_is_told_to_the_admin_only(stage, error):
    stage.provider.fail_next("create", error)
    await stage.wants("alice")
    await stage.pass_time(30)
    claim = await stage.claim("alice")
    assert (claim.desired, claim.reason) == (Desired.STOPPED, Reason.CONFIGURATION)
    assert error.detail not in claim.because.text()
    assert error.detail in stage.seen.problems[name_of("alice")]


async def test_a_throttled_create_is_sent_again_as_it_was(stage: Stage):
    stage.provider.fail_next("create", Throttled("slow down"), times=2)
    await stage.wants("alice")
    await stage.pass_time(60)
    requests = [call.arguments[0] for call in stage.provider.called("create")]
    assert len(requests) == 3
    assert len(set(requests)) == 1


# -- the world moves


async def test_a_machine_switched_off_from_inside_ends_the_session_and_is_not_restarted(stage):
    await stage.runs("alice")
    [machine] = await stage.machines("alice")
    stage.provider.poweroff(machine.id)
    await stage.pass_time(120)
    claim = await stage.claim("alice")
    assert (claim.desired, claim.reason) == (Desired.STOPPED, Reason.MACHINE_ENDED)
    assert "from inside" in claim.because.text()
    assert stage.asked("start") == 0


async def test_a_machine_deleted_behind_our_back_ends_the_session_and_is_made_anew_next_time(stage):
    first = await stage.runs("alice")
    stage.provider.terminate(first.machine_id)
    await stage.pass_time(60)
    ended = await stage.claim("alice")
    assert (ended.reason, ended.machine_id) == (Reason.MACHINE_ENDED, None)

    again = await stage.runs("alice")
    assert again.machine_id != first.machine_id


async def test_a_machine_that_a_lagging_listing_hides_is_not_replaced(stage: Stage):
    await stage.wants("alice")
    await stage.tick()
    [machine] = await stage.machines("alice")
    stage.provider.hide_from_listing([machine.id])
    await stage.pass_time(90)
    stage.provider.hide_from_listing([])
    await stage.pass_time(60)
    assert stage.asked("create") == 1
    assert len(await stage.machines("alice")) == 1


async def test_without_a_listing_nothing_is_done(stage: Stage):
    stage.provider.fail_next("list", ProviderUnavailable("an outage"), times=1)
    await stage.wants("alice")
    await stage.tick()
    assert stage.asked("create") == 0
    assert "an outage" in stage.seen.problems[""]


async def test_the_trouble_is_over_when_the_cloud_can_be_listed_again(stage: Stage):
    stage.provider.fail_next("list", ProviderUnavailable("an outage"), times=1)
    await stage.tick()
    await stage.tick()
    assert "" not in stage.seen.problems


async def test_machines_of_a_lost_database_are_adopted_and_go_on(stage: Stage, tmp_path):
    await stage.runs("alice")
    await stage.clock.advance(600)
    async with staged(tmp_path / "new") as other:
        other.provider.cloud, other.clock = stage.provider.cloud, stage.clock
        other.restart_controller()
        other.seen.world = None
        await other.tick()
        await other.tick()
        claim = await other.claim("alice")
    assert (claim.desired, claim.reason, claim.owner.user_id) == (
        Desired.RUNNING,
        Reason.ADOPTED,
        "id-alice",
    )
    assert len(await stage.billed()) == 1


async def test_a_controller_that_has_lost_the_lock_does_nothing(stage: Stage):
    await stage.wants("alice")

    async def lost() -> bool:
        return False

    stage.reconciler._leads = lost
    with pytest.raises(NotTheLeader):
        await stage.tick()
    assert stage.provider.calls == []


# -- a class


async def test_forty_students_are_one_listing_a_pass_and_one_start_call(stage: Stage):
    users = [f"student{n}" for n in range(40)]
    for user in users:
        await stage.wants(user)
    await stage.pass_time(60)
    for user in users:
        await stage.stops(user)
    await stage.pass_time(90)
    assert await stage.billed() == []

    for user in users:
        await stage.wants(user)
    listings = stage.asked("list")
    await stage.tick()

    assert stage.asked("list") == listings + 1
    assert [len(call.arguments[0]) for call in stage.provider.called("start")] == [40]


async def test_a_refused_machine_does_not_keep_the_others_from_starting(stage: Stage):
    for user in ("alice", "bob"):
        await stage.runs(user)
        await stage.stops(user)
    await stage.pass_time(120)
    stage.provider.terminate((await stage.claim("alice")).machine_id)

    for user in ("alice", "bob"):
        await stage.wants(user)
    await stage.pass_time(60)

    assert {one.power for one in await stage.machines("bob")} == {Power.RUNNING}


async def test_capacity_errors_are_not_the_same_as_no_such_machine(stage: Stage):
    await stage.wants("alice", replace(SMALL, sizes=("enormous",)))
    await stage.pass_time(10)
    claim = await stage.claim("alice")
    assert claim.reason is Reason.CONFIGURATION
    assert CapacityError.sentence != claim.because


async def test_progress_never_goes_back_to_what_the_listing_shows(stage: Stage):
    await stage.wants("alice")
    await stage.pass_time(24)
    claim = await stage.claim("alice")
    await stage.database.run(
        events.record, claim.name, claim.generation, Phase.SERVER, say("x."), stage.clock.now()
    )
    await stage.pass_time(30)
    assert await stage.history("alice") == ["capacity", "machine", "boot", "server"]

"""The controller's clock is set forward or back while something is under way."""

from __future__ import annotations

import pytest

from gpuspawner.model import Desired, Power, Reason
from tests.controllers.stage import Stage, name_of, staged

HOURS = 3 * 3600


@pytest.fixture
async def stage(tmp_path):
    async with staged(tmp_path) as one:
        yield one


async def test_three_listings_and_a_jump_of_hours_are_not_three_listings_in_two_minutes(
    stage: Stage,
):
    claim = await stage.runs("alice")
    stage.provider.hide_from_listing([claim.machine_id])
    await stage.deletes("alice")
    await stage.tick()
    stage.clock.jump(HOURS)
    await stage.pass_time(30)
    kept = await stage.claim("alice")
    assert (kept.desired, kept.machine_id) == (Desired.DELETED, claim.machine_id)

    stage.provider.hide_from_listing([])
    await stage.pass_time(60)
    assert await stage.machines("alice") == []


async def test_what_is_missing_for_two_minutes_after_a_jump_is_gone(stage: Stage):
    claim = await stage.runs("alice")
    stage.clock.jump(HOURS)
    stage.provider.hide_from_listing([claim.machine_id])
    await stage.pass_time(130)
    assert (await stage.claim("alice")).reason is Reason.MACHINE_ENDED


async def test_a_clock_that_was_set_is_seen_once_and_a_pass_is_left_out(stage: Stage):
    await stage.wants("alice")
    await stage.tick()
    assert stage.asked("create") == 1
    stage.clock.jump(-HOURS)
    await stage.wants("bob")
    await stage.tick()
    assert stage.asked("create") == 1
    await stage.tick()
    assert stage.asked("create") == 2


@pytest.mark.parametrize("restarted", [False, True], ids=["running", "restarted"])
async def test_a_machine_that_does_not_save_is_stopped_in_time_although_the_clock_went_back(
    stage: Stage, restarted: bool
):
    await stage.runs("alice")
    await stage.stops("alice")
    await stage.tick()
    stage.clock.jump(-HOURS)
    if restarted:
        stage.restart_controller()
    for _ in range(8):
        await stage.beats("alice")
        await stage.pass_time(10)
    [machine] = await stage.machines("alice")
    assert machine.power in (Power.STOPPING, Power.STOPPED)


async def test_a_machine_still_gets_its_minute_to_save_when_the_clock_went_back(stage: Stage):
    await stage.runs("alice")
    await stage.stops("alice")
    await stage.tick()
    stage.clock.jump(-HOURS)
    for _ in range(4):
        await stage.beats("alice")
        await stage.pass_time(10)
    [machine] = await stage.machines("alice")
    assert machine.power is Power.RUNNING


async def test_a_start_keeps_the_time_that_it_was_given_when_the_clock_goes_back(stage: Stage):
    await stage.wants("alice", start_by=600)
    await stage.tick()
    stage.clock.jump(-HOURS)
    await stage.pass_time(590)
    assert (await stage.claim("alice")).desired is Desired.RUNNING
    await stage.pass_time(20)
    assert (await stage.claim("alice")).reason is Reason.START_TIMEOUT


async def test_a_refusal_is_not_remembered_for_hours_because_the_clock_went_back(stage: Stage):
    for size in ("small", "large"):
        stage.provider.refuse(size)
    await stage.wants("alice")
    await stage.pass_time(6)
    assert (await stage.claim("alice")).reason is Reason.CAPACITY
    stage.clock.jump(-HOURS)
    for size in ("small", "large"):
        stage.provider.admit(size)
    await stage.pass_time(6)
    await stage.wants("alice")
    await stage.pass_time(6)
    assert len(await stage.machines("alice")) == 1


async def test_a_stop_asked_for_after_the_clock_went_back_is_no_doubtful_memory(stage: Stage):
    await stage.runs("alice")
    await stage.pass_time(120)
    stage.restart_controller()
    await stage.tick()
    stage.clock.jump(-HOURS)
    await stage.beats("alice")
    await stage.stops("alice")
    assert await stage.reports("alice", "saved")
    await stage.pass_time(9)
    claim = await stage.claim("alice")
    assert (claim.name, claim.desired, claim.reason) == (
        name_of("alice"),
        Desired.STOPPED,
        Reason.USER,
    )
    [machine] = await stage.machines("alice")
    assert machine.power is Power.STOPPING

"""A class that starts together holds up neither its own first students nor anybody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from gpuspawner.errors import ClaimNotFound, Throttled
from gpuspawner.model import Desired, Power
from tests.controllers.stage import Stage, name_of, staged

CLASS = [f"student{number:02}" for number in range(90)]
_WRITES = 4
"""So many writes follow one another in what a step does between two waits."""


@pytest.fixture
async def stage(tmp_path):
    async with staged(tmp_path) as stage:
        yield stage


async def look(stage: Stage) -> float:
    """One pass at a cloud that takes a second for each answer; in how many the next one is due."""
    stage.provider.latency = 1.0
    task = asyncio.ensure_future(stage.reconciler.tick())
    while not task.done():
        # The database takes time of its own, which the clock knows nothing of.
        for _ in range(_WRITES):
            await stage.database.run(lambda _c: None)
        if stage.clock.sleepers:
            stage.clock.turn(0.25)
        await asyncio.sleep(0)
    stage.provider.latency = 0.0
    return (task.result() - stage.clock.now()).total_seconds()


async def a_class_presses_start(stage: Stage) -> None:
    for user in CLASS:
        await stage.wants(user)
        await stage.clock.advance(0.05)


async def test_a_pass_begins_no_more_than_it_can_in_a_few_seconds(stage: Stage):
    await a_class_presses_start(stage)
    await look(stage)

    assert 0 < stage.asked("create") < len(CLASS)


async def test_what_one_pass_leaves_the_next_ones_take(stage: Stage):
    await a_class_presses_start(stage)
    passes = 0
    while len({one.claim for one in await stage.machines()}) < len(CLASS):
        await look(stage)
        passes += 1
        assert passes < 100, stage.asked("create")

    assert stage.asked("create") == len(CLASS)
    assert passes > 1


async def test_the_first_have_their_homes_before_the_last_have_machines(stage: Stage):
    await a_class_presses_start(stage)
    while not await stage.homes(CLASS[0]):
        await look(stage)

    assert len(await stage.machines()) < len(CLASS)


async def test_who_pressed_first_is_served_first(stage: Stage):
    await a_class_presses_start(stage)
    await look(stage)
    served = {user for user in CLASS if await stage.machines(user)}

    assert served == set(CLASS[: len(served)])


async def test_a_stop_does_not_wait_for_a_class_that_starts(stage: Stage):
    await stage.runs("zoe")
    await a_class_presses_start(stage)
    await look(stage)
    await stage.stops("zoe")
    await stage.reports("zoe", "saved")
    await look(stage)
    (machine,) = await stage.machines("zoe")

    assert machine.power in (Power.STOPPING, Power.STOPPED)
    assert len(await stage.machines()) < len(CLASS)


async def test_a_pass_that_leaves_something_asks_for_the_next_at_once(stage: Stage):
    await a_class_presses_start(stage)

    assert await look(stage) <= 0


async def test_a_pass_that_leaves_nothing_does_not(stage: Stage):
    await stage.runs("zoe")

    assert await look(stage) > 3


async def test_one_whose_machine_takes_long_to_be_made_holds_up_nobody(stage: Stage, monkeypatch):
    asked, answer = slow_to_make(stage, "slow", monkeypatch)
    await stage.wants("slow")
    await looks_until(stage, asked.is_set)
    await stage.wants("zoe")
    await looks_until(stage, lambda: stage.asked("create") == 1)
    assert [one.claim for one in await stage.machines()] == [name_of("zoe")]

    answer.set()
    await looks_until(stage, lambda: stage.asked("create") == 2)
    assert len(await stage.machines("slow")) == 1


async def test_what_is_being_made_is_not_asked_for_again_nor_forgotten(stage: Stage, monkeypatch):
    asked, answer = slow_to_make(stage, "slow", monkeypatch)
    await stage.wants("slow")
    await looks_until(stage, asked.is_set)
    await stage.deletes("slow")
    for _ in range(5):
        await stage.clock.advance(60)
        await look(stage)
    assert (await stage.claim("slow")).desired is Desired.DELETED

    answer.set()
    for _ in range(12):
        await look(stage)
        await stage.clock.advance(60)
    # It was made in the end, belonged to its claim, and was deleted with it.
    assert (await stage.machines("slow"), stage.asked("create"), stage.asked("delete") > 0) == (
        [],
        1,
        True,
    )
    with pytest.raises(ClaimNotFound):
        await stage.claim("slow")


async def looks_until(stage: Stage, done: Callable[[], bool]) -> None:
    for _ in range(20):
        if done():
            return
        await look(stage)
    pytest.fail(f"it never came to that: {stage.provider.calls}")


def slow_to_make(stage: Stage, user: str, monkeypatch) -> tuple[asyncio.Event, asyncio.Event]:
    """The cloud is asked for this student's machine; and answers only when that event is set."""
    asked, answer, create = asyncio.Event(), asyncio.Event(), stage.provider.create

    async def slow(request):
        if request.claim == name_of(user):
            asked.set()
            await answer.wait()
        return await create(request)

    monkeypatch.setattr(stage.provider, "create", slow)
    return asked, answer


async def test_a_cloud_that_throttles_is_not_asked_at_once_again(stage: Stage):
    await stage.wants("zoe")
    await look(stage)
    stage.provider.fail_next("list", Throttled("slowly", retry_after=20))

    assert await look(stage) >= 20

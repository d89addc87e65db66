"""A clock that a test turns."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone

from gpuspawner.testing import FakeClock

START = datetime(2026, 3, 2, 9, 0, tzinfo=timezone.utc)


async def test_sleepers_wake_in_the_order_of_their_deadlines():
    clock, woke = FakeClock(), []

    async def sleeper(seconds):
        await clock.sleep(seconds)
        woke.append((seconds, clock.now() - START))

    tasks = [asyncio.ensure_future(sleeper(seconds)) for seconds in (30, 10, 20, 99)]
    await clock.advance(timedelta(seconds=60))
    assert woke == [(s, timedelta(seconds=s)) for s in (10, 20, 30)]
    assert clock.sleepers == 1
    await clock.advance(39)
    assert woke[-1] == (99, timedelta(seconds=99))
    await asyncio.gather(*tasks)


async def test_a_loop_that_sleeps_runs_as_often_as_it_would():
    clock, ticks = FakeClock(), []

    async def loop():
        while True:
            await clock.sleep(5)
            ticks.append(clock.monotonic())

    task = asyncio.ensure_future(loop())
    await clock.advance(20)
    task.cancel()
    assert ticks == [5.0, 10.0, 15.0, 20.0]


async def test_a_cancelled_sleeper_does_not_wake():
    clock = FakeClock()
    task = asyncio.ensure_future(clock.sleep(10))
    await clock.advance(1)
    task.cancel()
    await clock.advance(60)
    assert task.cancelled()
    assert clock.sleepers == 0


async def test_no_time_passes_by_itself():
    clock = FakeClock()
    await clock.sleep(0)
    assert (clock.now(), clock.monotonic()) == (START, 0.0)


def test_a_jump_moves_the_wall_clock_and_not_the_durations():
    clock = FakeClock()
    clock.jump(-3600)
    assert (clock.now(), clock.monotonic()) == (START - timedelta(hours=1), 0.0)


def test_a_turn_moves_both():
    clock = FakeClock()
    clock.turn(timedelta(minutes=1))
    assert (clock.now(), clock.monotonic()) == (START + timedelta(minutes=1), 60.0)

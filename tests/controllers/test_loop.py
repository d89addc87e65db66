"""The loop looks soon when something happens, and never more often than it may."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from gpuspawner.controllers.loop import Loop
from gpuspawner.errors import NotTheLeader
from gpuspawner.testing import FakeClock

FAST, SLOW = timedelta(seconds=3), timedelta(seconds=60)


class Looking:
    """A loop with the moments, in seconds, at which it looked."""

    def __init__(self, clock: FakeClock, again: timedelta, *, pace: timedelta = FAST) -> None:
        self.clock, self.again = clock, again
        self.looked: list[float] = []
        self.takes = 0.0
        self.loop = Loop(self._tick, clock, gap=timedelta(seconds=1), pace=pace)

    async def _tick(self):
        self.looked.append(self.clock.monotonic())
        await self.clock.sleep(self.takes)
        return self.clock.now() + self.again


@asynccontextmanager
async def looking(again: timedelta, *, pace: timedelta = FAST) -> AsyncIterator[Looking]:
    one = Looking(FakeClock(), again, pace=pace)
    task = asyncio.ensure_future(one.loop.run())
    try:
        await one.clock.advance(0)
        yield one
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def most_in_a_minute(moments: list[float]) -> int:
    return max(sum(one <= other < one + 60 for other in moments) for one in moments)


async def test_it_looks_at_once_and_then_when_it_said_so():
    async with looking(SLOW) as one:
        await one.clock.advance(130)

        assert one.looked == [0, 60, 120]


async def test_what_happens_is_looked_at_at_once():
    async with looking(SLOW) as one:
        await one.clock.advance(20)
        one.loop.wake()
        await one.clock.advance(5)

        assert one.looked == [0, 20]


async def test_what_happens_together_is_one_look():
    async with looking(SLOW) as one:
        await one.clock.advance(20)
        for _ in range(300):
            one.loop.wake()
        await one.clock.advance(5)

        assert one.looked == [0, 20]


async def test_what_happens_while_it_looks_is_looked_at_a_moment_later():
    async with looking(SLOW) as one:
        one.takes = 0.5
        await one.clock.advance(20)
        one.loop.wake()
        await one.clock.advance(0.2)
        one.loop.wake()
        await one.clock.advance(5)

        assert one.looked == [0, 20, 21]


async def test_a_few_looks_may_follow_each_other_quickly():
    async with looking(SLOW) as one:
        await one.clock.advance(30)
        for _ in range(3):
            one.loop.wake()
            await one.clock.advance(1)

        assert one.looked == [0, 30, 31, 32]


async def test_however_much_happens_no_minute_has_more_looks_than_one_each_pace():
    async with looking(SLOW) as one:
        await one.clock.advance(300)
        for _ in range(3000):
            one.loop.wake()
            await one.clock.advance(0.1)

        assert most_in_a_minute(one.looked) <= 20
        assert len(one.looked) >= 60, "it did not stop looking either"


async def test_a_wish_to_look_again_at_once_is_held_to_the_same_measure():
    async with looking(timedelta(0)) as one:
        await one.clock.advance(300)

        assert most_in_a_minute(one.looked) <= 20
        assert len(one.looked) >= 60


async def test_a_pace_of_a_minute_still_looks():
    async with looking(timedelta(0), pace=SLOW) as one:
        await one.clock.advance(600)

        assert len(one.looked) >= 6
        assert most_in_a_minute(one.looked) <= 2


async def test_a_look_that_fails_is_tried_again():
    clock = FakeClock()
    failed: list[float] = []

    async def tick():
        failed.append(clock.monotonic())
        if len(failed) == 1:
            raise OSError("a mistake")
        raise NotTheLeader("the lock of the database was lost")

    task = asyncio.ensure_future(Loop(tick, clock, gap=timedelta(seconds=1), pace=FAST).run())
    await clock.advance(15)

    assert isinstance(task.exception(), NotTheLeader)
    assert failed == [0, 10]

"""Asking less often than AWS allows, and the urgent things first."""

from __future__ import annotations

import asyncio

import pytest

from gpuspawner.providers.aws_limits import Limits
from gpuspawner.providers.limits import Bucket, Turnstile
from gpuspawner.testing import FakeClock


@pytest.fixture
def clock():
    return FakeClock()


async def times(clock, taking, count):
    """When each of `count` turns came, in seconds."""
    came = []

    async def one():
        await taking()
        came.append(round(clock.monotonic(), 3))

    tasks = [asyncio.ensure_future(one()) for _ in range(count)]
    await clock.advance(600)
    await asyncio.gather(*tasks)
    return came


async def test_a_burst_goes_at_once_and_the_rest_at_the_rate(clock):
    bucket = Bucket(clock, 3, 2.0)
    assert await times(clock, bucket.take, 6) == [0.0, 0.0, 0.0, 0.5, 1.0, 1.5]


async def test_no_more_than_the_capacity_is_saved_up(clock):
    bucket = Bucket(clock, 2, 1.0)
    await clock.advance(3600)
    assert await times(clock, bucket.take, 3) == [3600.0, 3600.0, 3601.0]


async def test_a_refusal_halves_the_rate_and_success_brings_it_back(clock):
    bucket = Bucket(clock, 2, 2.0)
    bucket.refused()
    assert (bucket.rate, bucket.tokens) == (1.0, 0.0)
    for _ in range(5):
        bucket.accepted()
    assert bucket.rate == pytest.approx(1.5)
    for _ in range(50):
        bucket.accepted()
    assert bucket.rate == 2.0


async def test_the_rate_never_falls_to_nothing(clock):
    bucket = Bucket(clock, 2, 2.0)
    for _ in range(50):
        bucket.refused()
    assert bucket.rate == pytest.approx(0.1)


async def test_who_gives_up_waiting_takes_no_token(clock):
    bucket = Bucket(clock, 1, 1.0)
    await bucket.take()
    waiting = asyncio.ensure_future(bucket.take())
    await clock.advance(0.5)
    waiting.cancel()
    assert await times(clock, bucket.take, 1) == [1.0]


@pytest.mark.parametrize("action", ["RunInstances", "StartInstances"])
async def test_a_hundred_starts_stay_below_the_documented_five_and_two_a_second(clock, action):
    limits = Limits(clock, 4)

    async def take():
        async with limits.turn(action, 1):
            pass

    came = await times(clock, take, 100)
    for at in came:
        documented = 5 + 2 * at
        assert sum(other <= at for other in came) <= documented
    assert came[-1] < 60  # and not much below it either


async def test_who_waits_at_a_slow_door_does_not_pass_it_together_afterwards(clock):
    limits = Limits(clock, 1)

    async def slow():
        async with limits.turn("DescribeInstances"):
            await clock.sleep(30)

    async def take():
        async with limits.turn("RunInstances", 1):
            pass

    hold = asyncio.ensure_future(slow())
    await clock.advance(0)
    came = await times(clock, take, 40)
    await hold
    assert came[0] == 30.0
    for at in came:
        assert sum(other <= at for other in came) <= 5 + 2 * (at - 30.0)


async def test_machines_are_counted_and_not_calls_alone(clock):
    limits = Limits(clock, 4)

    async def take():
        async with limits.turn("StartInstances", 100):
            pass

    came = await times(clock, take, 12)
    assert came[8] < 5 < 50 < came[9]  # 900 at once, and then 1.8 a second


async def test_one_action_does_not_wait_for_another(clock):
    limits = Limits(clock, 4)
    limits.bucket("RunInstances").refused()
    entered = []

    async def stop():
        async with limits.turn("StopInstances", 1):
            entered.append(clock.monotonic())

    await stop()
    assert entered == [0.0]


async def test_the_urgent_enters_first_and_equals_in_order():
    turnstile, order, leave = Turnstile(1), [], asyncio.Event()

    async def one(name, priority):
        async with turnstile.place(priority):
            order.append(name)
            await leave.wait()

    tasks = []
    for name, priority in (("inside", 3), ("read", 3), ("run", 2), ("stop", 0), ("stop too", 0)):
        tasks.append(asyncio.ensure_future(one(name, priority)))
        await asyncio.sleep(0)
    leave.set()
    await asyncio.gather(*tasks)
    assert order == ["inside", "stop", "stop too", "run", "read"]


async def test_who_gives_up_at_the_door_does_not_keep_the_place():
    turnstile, leave, entered = Turnstile(1), asyncio.Event(), []

    async def one(name):
        async with turnstile.place(0):
            entered.append(name)
            await leave.wait()

    inside, leaving, next_one = (asyncio.ensure_future(one(n)) for n in ("inside", "gone", "next"))
    await asyncio.sleep(0)
    leaving.cancel()
    leave.set()
    await asyncio.gather(inside, next_one)
    assert entered == ["inside", "next"]


async def test_a_place_given_to_one_who_is_cancelled_goes_on_to_the_next():
    turnstile = Turnstile(1)
    release = asyncio.Event()

    async def hold():
        async with turnstile.place(0):
            await release.wait()

    async def enter():
        async with turnstile.place(0):
            return "in"

    holder = asyncio.ensure_future(hold())
    await asyncio.sleep(0)
    unlucky, lucky = asyncio.ensure_future(enter()), asyncio.ensure_future(enter())
    await asyncio.sleep(0)
    release.set()
    await holder
    unlucky.cancel()
    assert await lucky == "in"

"""Many machines with few calls: one bad member does not spoil the batch, and no storm comes of it."""

from __future__ import annotations

import pytest

from gpuspawner.errors import (
    CapacityError,
    InvalidSpec,
    NotAuthorized,
    ProviderUnavailable,
    QuotaExceeded,
    Throttled,
)
from gpuspawner.providers.aws_batches import each
from gpuspawner.providers.aws_look import batches


class Cloud:
    """All of a batch or none of it, as EC2 does."""

    def __init__(self, *, bad=(), room=10_000, error=None, full=CapacityError):
        self.bad, self.room, self.error, self.full = frozenset(bad), room, error, full
        self.done, self.calls = [], 0

    async def ask(self, ids):
        self.calls += 1
        if self.error is not None:
            raise self.error
        if self.bad & set(ids):
            raise InvalidSpec("a bad member")
        if len(self.done) + len(ids) > self.room:
            raise self.full("full")
        self.done += ids


def ids(count):
    return [f"i-{number:03d}" for number in range(count)]


async def test_a_good_batch_is_one_call():
    cloud = Cloud()
    assert await each(ids(100), cloud.ask) == {}
    assert (cloud.calls, cloud.done) == (1, ids(100))


async def test_no_call_has_more_than_a_hundred_and_the_order_is_kept():
    cloud = Cloud()
    assert await each(ids(201), cloud.ask) == {}
    assert (cloud.calls, cloud.done) == (3, ids(201))


async def test_nothing_is_no_call():
    cloud = Cloud()
    assert await each([], cloud.ask) == {}
    assert cloud.calls == 0


async def test_the_bad_member_alone_is_left_out():
    cloud = Cloud(bad={"i-042"})
    errors = await each(ids(100), cloud.ask)
    assert {one: type(error) for one, error in errors.items()} == {"i-042": InvalidSpec}
    assert sorted(cloud.done) == [one for one in ids(100) if one != "i-042"]
    assert cloud.calls < 20


@pytest.mark.parametrize("full", [CapacityError, QuotaExceeded])
async def test_as_many_start_as_there_is_room_for_and_the_rest_is_not_tried_one_by_one(full):
    cloud = Cloud(room=37, full=full)
    errors = await each(ids(100), cloud.ask)
    assert cloud.done == ids(37)
    assert {one: type(error) for one, error in errors.items()} == dict.fromkeys(ids(100)[37:], full)
    assert cloud.calls < 20


@pytest.mark.parametrize(
    "error", [Throttled("slow"), ProviderUnavailable("down"), NotAuthorized("no")]
)
async def test_what_holds_for_all_is_asked_once(error):
    cloud = Cloud(error=error)
    assert await each(ids(150), cloud.ask) == dict.fromkeys(ids(150), error)
    assert cloud.calls == 1


def test_an_id_given_twice_is_sent_once():
    assert list(batches(["i-1", "i-2", "i-1"])) == [["i-1", "i-2"]]

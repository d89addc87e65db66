"""Many machines cost few calls: what was just listed is not asked again."""

from __future__ import annotations

import pytest

from gpuspawner.model import Power
from tests.providers.aws_cloud import HERE, wish

pytestmark = pytest.mark.emulator


async def stopped(cloud, provider, number: int) -> list[str]:
    ids = [(await provider.create(wish())).id for _ in range(number)]
    await cloud.settle()
    assert await provider.stop(ids) == {}
    await cloud.settle()
    return ids


async def test_what_was_just_listed_is_started_without_a_further_look(cloud):
    provider = cloud.provider()
    ids = await stopped(cloud, provider, 3)
    await provider.list()
    await cloud.calls()

    assert await provider.start(ids, HERE.size) == {}
    assert await cloud.calls() == {"StartInstances": 1}


async def test_what_was_listed_a_while_ago_is_looked_at_again(cloud):
    provider = cloud.provider()
    ids = await stopped(cloud, provider, 3)
    await provider.list()
    await cloud.settle(6)
    await cloud.calls()

    assert await provider.start(ids, HERE.size) == {}
    assert await cloud.calls() == {"DescribeInstances": 1, "StartInstances": 1}


async def test_what_was_never_listed_is_looked_at(cloud):
    provider = cloud.provider()
    ids = await stopped(cloud, provider, 3)
    await cloud.calls()

    assert await cloud.provider().start(ids, HERE.size) == {}
    assert await cloud.calls() == {"DescribeInstances": 1, "StartInstances": 1}


async def test_what_we_have_changed_since_the_listing_is_looked_at_again(cloud):
    provider = cloud.provider()
    ids = await stopped(cloud, provider, 2)
    await provider.list()
    assert await provider.start(ids[:1], HERE.size) == {}
    await cloud.calls()

    # It is pending by now: to take it for stopped would start it once more.
    assert await provider.start(ids, HERE.size) == {}
    assert await cloud.calls() == {"DescribeInstances": 1, "StartInstances": 1}


async def test_what_somebody_else_has_changed_since_the_listing_fails_alone(cloud):
    provider = cloud.provider()
    ids = await stopped(cloud, provider, 3)
    await provider.list()
    await cloud.provider().delete(ids[1])

    errors = await provider.start(ids, HERE.size)
    powers = {one.id: one.power for one in (await provider.list()).machines}
    assert list(errors) == [ids[1]]
    assert [powers[one] for one in (ids[0], ids[2])] == [Power.PENDING] * 2

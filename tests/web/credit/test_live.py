"""What is told while somebody looks: changes only, one's own only, from one look for all."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

from gpuspawner.web.credit import live
from tests.web.credit.school import HOUR, UNIT, School


@asynccontextmanager
async def following(there: School, who: str):
    url = f"{there.house.url}api/v1/events"
    headers = {"Authorization": f"token {who}"}
    async with there.house.session.get(url, headers=headers) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield answer.content


async def block(content) -> str:
    return (await asyncio.wait_for(content.readuntil(b"\n\n"), 10)).decode().strip()


def figures(text: str) -> dict[str, int]:
    event, data = text.split("\n")
    assert event == "event: credit"
    return {key: one["micros"] for key, one in json.loads(data.removeprefix("data: ")).items()}


async def test_a_student_is_told_their_own_balance_as_it_falls(there: School):
    async with following(there, "alice") as content:
        assert figures(await block(content)) == {"live": 10 * UNIT}
        await there.uses("alice", HOUR)
        assert figures(await block(content)) == {"live": 10 * UNIT - 526_000}


async def test_who_teaches_is_told_of_the_pool_as_well(there: School):
    async with following(there, "teacher") as content:
        assert figures(await block(content)) == {"live": 0, "pool": 970 * UNIT, "burn": 0}


async def test_when_nothing_changes_a_comment_keeps_the_stream_alive(there: School):
    async with following(there, "alice") as content:
        await block(content)
        reading = asyncio.ensure_future(block(content))
        while not reading.done():
            await there.house.stage.clock.advance(live.EVERY_SECONDS)
            await asyncio.wait({reading}, timeout=0.05)
        assert await reading == ": nothing new"


async def test_one_more_than_may_follow_is_refused(there: School, monkeypatch):
    monkeypatch.setattr(live, "MOST", 1)
    async with following(there, "alice") as content:
        await block(content)
        status, said = await there.get("events", "bob")
        assert (status, said["error"]) == (503, "too-many-watchers")


async def test_nobody_follows_without_a_name(there: School):
    for who in ("robot", "stranger"):
        assert (await there.get("events", who))[0] == 403

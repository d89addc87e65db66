"""The board is made anew for whoever asks, but not for each on their own."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gpuspawner.errors import ControllerUnavailable
from gpuspawner.model import Owner, Specification
from gpuspawner.store import claims
from gpuspawner.store.database import Database
from gpuspawner.store.seen import Seen
from gpuspawner.testing import FakeClock
from gpuspawner.web.board import Board

KEY = b"a2V5LWtleS1rZXkta2V5LWtleS1rZXkta2V5LWtleTA="
T4 = Specification("t4", "One T4", ("small",))


class Counted(Board):
    """Counts how often the database is read, and can be made to wait there or to fail."""

    reads = 0
    trip = None

    def _read(self, connection):
        self.reads += 1
        self.loop.call_soon_threadsafe(self.reading.set)
        if self.trip:
            self.trip()
        return super()._read(connection)


@pytest.fixture
async def board(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/gpuspawner.sqlite", KEY)
    await asyncio.to_thread(database.migrate)
    memory = timedelta(seconds=60)
    made = Counted(database, Seen(memory, memory), FakeClock())
    made.database, made.loop, made.reading = database, asyncio.get_running_loop(), asyncio.Event()
    yield made
    await asyncio.to_thread(database.close)


async def want(board, name):
    now = FakeClock().now()
    await board.database.run(
        claims.put_running, name, Owner("7", name, ""), T4, {}, ["run"], 8888, now, now
    )


async def test_many_who_ask_at_once_share_two_readings(board):
    await asyncio.gather(*(board.refresh() for _ in range(50)))
    assert board.reads <= 2


async def test_who_asks_one_after_another_each_get_one_of_their_own(board):
    for _ in range(3):
        await board.refresh()
    assert board.reads == 3


async def test_what_was_written_while_another_was_read_is_seen_by_who_asks_then(board):
    await want(board, "gs-first")
    earlier = asyncio.create_task(board.refresh())
    await board.reading.wait()
    await want(board, "gs-second")
    await board.refresh()
    assert sorted(board.views) == ["gs-first", "gs-second"]
    await earlier


async def test_a_reading_that_fails_fails_for_one_and_is_made_again_for_the_others(board):
    await want(board, "gs-first")
    failures = [ControllerUnavailable("the database is away")]

    def trip():
        if failures:
            raise failures.pop()

    board.trip = trip
    ended = await asyncio.gather(*(board.refresh() for _ in range(5)), return_exceptions=True)
    assert [type(one) for one in ended] == [ControllerUnavailable, *[type(None)] * 4]
    assert sorted(board.views) == ["gs-first"]


async def test_who_stops_waiting_does_not_take_it_from_the_others(board):
    await want(board, "gs-first")
    waiting = [asyncio.create_task(board.refresh()) for _ in range(3)]
    await board.reading.wait()
    waiting[0].cancel()
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in ended] == [asyncio.CancelledError, type(None), type(None)]
    assert sorted(board.views) == ["gs-first"]

"""What changes while somebody looks: one look at the ledger for all who follow, and none for nobody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from tornado.iostream import StreamClosedError

from gpuspawner import amounts
from gpuspawner.clock import Clock
from gpuspawner.errors import ControllerUnavailable
from gpuspawner.names import born_of
from gpuspawner.policy.money import seconds_of
from gpuspawner.store import ledger
from gpuspawner.store.database import Database
from gpuspawner.web.credit import reads
from gpuspawner.web.credit.errors import TooManyWatchers
from gpuspawner.web.credit.handler import CreditHandler
from gpuspawner.web.services import Services

EVERY_SECONDS = 5.0
"""Between two looks."""

QUIET = 3
"""After so many looks without news a comment is sent, so that no proxy takes the stream for dead."""

MOST = 500
"""So many may follow at once."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One look: the live balance of everybody, the pool, and what an hour costs, in micros.

    Balances are by the user's name and when the hub made them: a name may have been another's.
    """

    unit: str
    balances: dict[tuple[str, str], int]
    pool: int
    burn: int


class Live:
    """Looks at the ledger as long as anybody follows. Who is slow gets the newest look only."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._followers: set[asyncio.Queue[Moment]] = set()
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def follow(self) -> AsyncIterator[asyncio.Queue[Moment]]:
        """A queue that holds the last look at most.

        Raises:
            TooManyWatchers: enough others follow already.
        """
        if len(self._followers) >= MOST:
            raise TooManyWatchers(f"{MOST} follow already")
        queue: asyncio.Queue[Moment] = asyncio.Queue(maxsize=1)
        self._followers.add(queue)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look(), name="live credit")
        try:
            yield queue
        finally:
            self._followers.discard(queue)
            if not self._followers and self._task is not None:
                self._task.cancel()
                self._task = None

    async def _look(self) -> None:
        while True:
            with suppress(ControllerUnavailable):
                found = await self._database.read(_moment, seconds_of(self._clock.now()))
                for queue in self._followers:
                    if queue.full():
                        queue.get_nowait()
                    queue.put_nowait(found)
            await self._clock.sleep(EVERY_SECONDS)


def _moment(c: Connection, now: int) -> Moment:
    students = reads.students(c, lambda _person: True, now)
    users = {one.id: (one.name, born_of(one.hub_user_id or "")) for one in ledger.people(c)}
    return Moment(
        students.unit,
        {
            (name, born): one.live
            for one in students.students
            for name, born in [users[one.person or ""]]
            if name
        },
        reads.pool(c).pool,
        reads.burn(c).charge_per_hour,
    )


class EventsHandler(CreditHandler):
    """`events`: server-sent events with one's own balance; with the pool as well for who teaches."""

    async def get(self) -> None:
        """Until the reader goes. Each event holds everything, so none needs to be caught up with."""
        await self.seen(None)
        async with self.services.live.follow() as queue:
            self.set_header("Content-Type", "text/event-stream; charset=utf-8")
            self.set_header("X-Accel-Buffering", "no")
            last, quiet = "", 0
            with suppress(StreamClosedError):
                while (moment := await self._next(queue)) is not None:
                    told = json.dumps(self._told(moment), ensure_ascii=False)
                    quiet = quiet + 1 if told == last else 0
                    if told != last:
                        self.write(f"event: credit\ndata: {told}\n\n")
                    elif quiet % QUIET == 0:
                        self.write(": nothing new\n\n")
                    last = told
                    await self.flush()

    def initialize(self, services: Services) -> None:
        """Take what the handlers work with."""
        super().initialize(services)
        self._gone = asyncio.Event()

    def on_connection_close(self) -> None:
        """The reader has gone, and must not be waited for until there is news."""
        self._gone.set()

    async def _next(self, queue: asyncio.Queue[Moment]) -> Moment | None:
        """The next look; None when the reader has gone."""
        news, gone = asyncio.ensure_future(queue.get()), asyncio.ensure_future(self._gone.wait())
        try:
            await asyncio.wait({news, gone}, return_when=asyncio.FIRST_COMPLETED)
            return None if self._gone.is_set() else news.result()
        finally:
            news.cancel()
            gone.cancel()

    def _told(self, moment: Moment) -> dict[str, Any]:
        viewer = self.viewer
        figures = {"live": moment.balances.get((viewer.name, viewer.born), 0)}
        if viewer.teaches:
            figures |= {"pool": moment.pool, "burn": moment.burn}
        return {
            key: {"micros": micros, "text": amounts.amount_text(
                micros, moment.unit, self.language, fine=key == "burn"
            )}
            for key, micros in figures.items()
        }  # fmt: skip

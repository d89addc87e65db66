"""Another process at the same database. It says `ready`, and does its part at the first line it reads."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable

from gpuspawner.errors import GenerationMismatch
from gpuspawner.store import claims
from gpuspawner.store.database import Connection, Database
from tests.store.wishes import KEY, NAME, attempt, run


def _say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _hear() -> None:
    sys.stdin.readline()


async def wish(database: Database) -> None:
    """Press start ten times; say the generations."""
    _say([(await database.run(run)).generation for _ in range(10)])


async def ask(database: Database) -> None:
    """Try to open an attempt; say its id."""
    try:
        _say((await database.run(attempt)).id)
    except GenerationMismatch:
        _say(None)


async def half(database: Database) -> None:
    """Stop in the middle of a transaction."""

    def play(c: Connection) -> None:
        claims.set_machine(c, NAME, "i-half")
        attempt(c, run(c).generation)
        _say("half")
        _hear()

    await database.run(play)


async def lead(database: Database) -> None:
    """Try to take the lock, say whether it was got, and hold it."""
    lock = database.lock()
    _say(lock.acquire())
    _hear()


async def migrate(database: Database) -> None:
    """Bring the tables up to date."""
    database.migrate()
    _say("done")


ACTIONS: dict[str, Callable[[Database], Awaitable[None]]] = {
    action.__name__: action for action in (wish, ask, half, lead, migrate)
}


if __name__ == "__main__":
    the_database = Database(sys.argv[1], KEY)
    _say("ready")
    _hear()
    asyncio.run(ACTIONS[sys.argv[2]](the_database))
    the_database.close()

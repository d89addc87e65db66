"""Transactions that wait together are committed together, and fail alone."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, func, insert, select
from sqlalchemy.exc import IntegrityError

from gpuspawner.store import schema
from gpuspawner.store.database import Database, engine_of, nothing_to_plan
from tests.store.wishes import KEY, at


@pytest.fixture
def file(tmp_path: Path, sqlite_tables: Path) -> Iterator[Database]:
    """SQLite, which has one writer."""
    path = tmp_path / "controller.sqlite"
    shutil.copy(sqlite_tables, path)
    database = Database(f"sqlite:///{path}", KEY)
    yield database
    database.close()


@pytest.fixture
def commits(file: Database) -> Iterator[list[None]]:
    """One entry for each commit that reaches the disk."""
    seen: list[None] = []

    def commit(_: Connection) -> None:
        seen.append(None)

    event.listen(engine_of(file), "commit", commit)
    yield seen
    event.remove(engine_of(file), "commit", commit)


def _add(connection: Connection, size: str) -> str:
    connection.execute(insert(schema.starts).values(size=size, seconds=1.0, at=at(0)))
    return size


def _add_and_fail(connection: Connection, size: str) -> None:
    _add(connection, size)
    raise LookupError(size)


def _refused_by_the_database(connection: Connection) -> None:
    _add(connection, "refused")
    connection.execute(insert(schema.starts).values(size=None, seconds=1.0, at=at(0)))


def _sizes(connection: Connection) -> list[str]:
    return list(
        connection.execute(select(schema.starts.c.size).order_by(schema.starts.c.id)).scalars()
    )


async def _behind(
    database: Database, *works: tuple[Callable[..., object], tuple[object, ...]]
) -> list[object]:
    """What the works come to that are in line while the writer is held up."""
    gate, held = threading.Event(), threading.Event()

    def hold(_: Connection) -> None:
        held.set()
        gate.wait(30)

    first = asyncio.ensure_future(database.run(hold))
    await asyncio.to_thread(held.wait, 30)
    others = [asyncio.ensure_future(database.run(fn, *args)) for fn, args in works]
    await asyncio.sleep(0)
    gate.set()
    await first
    return list(await asyncio.gather(*others, return_exceptions=True))


async def test_what_waits_together_shares_commits(file: Database, commits: list[None]) -> None:
    sizes = [str(number) for number in range(120)]
    said = await _behind(file, *((_add, (size,)) for size in sizes))

    assert (said, await file.read(_sizes)) == (sizes, sizes)
    assert len(commits) == 1 + 3, "one that held the others up, and 120 by 50"


async def test_what_comes_alone_has_a_commit_of_its_own(
    file: Database, commits: list[None]
) -> None:
    await file.run(_add, "one")
    await file.run(_add, "two")

    assert (await file.read(_sizes), len(commits)) == (["one", "two"], 2)


async def test_a_failure_undoes_its_own_changes_and_no_others(file: Database) -> None:
    said = await _behind(
        file, (_add, ("before",)), (_add_and_fail, ("failing",)), (_add, ("after",))
    )

    assert (said[0], type(said[1]), said[2]) == ("before", LookupError, "after")
    assert await file.read(_sizes) == ["before", "after"]


async def test_what_the_database_refuses_fails_alone(file: Database) -> None:
    said = await _behind(
        file, (_add, ("before",)), (_refused_by_the_database, ()), (_add, ("after",))
    )

    assert (said[0], type(said[1]), said[2]) == ("before", IntegrityError, "after")
    assert await file.read(_sizes) == ["before", "after"]


async def test_only_what_has_changed_something_is_heard_of(file: Database) -> None:
    heard: list[str] = []
    file.on_change(lambda: heard.append("change"))
    await _behind(file, (_add, ("one",)), (_sizes, ()), (_add_and_fail, ("two",)))
    await asyncio.sleep(0)

    assert heard == ["change"]


async def test_what_needs_no_plan_is_shown_and_wakes_nobody(database: Database) -> None:
    heard: list[str] = []
    database.on_change(lambda: heard.append("show"))
    database.on_change(lambda: heard.append("plan"), plans=True)
    with nothing_to_plan():
        await asyncio.gather(database.run(_add, "one"))
    seen_inside = list(heard)
    await database.run(_add, "two")

    assert (seen_inside, heard) == (["show"], ["show", "show", "plan"])


async def test_every_start_is_counted_once_whatever_the_database(database: Database) -> None:
    await _behind(database, *((_add, (str(number),)) for number in range(60)))

    def count(connection: Connection) -> int:
        return connection.execute(select(func.count()).select_from(schema.starts)).scalar_one()

    assert await database.read(count) == 60

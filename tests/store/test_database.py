from __future__ import annotations

import asyncio
import sqlite3
import stat
import threading
from collections.abc import Coroutine, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import StatementError

from gpuspawner.errors import ConfigurationError, ControllerUnavailable
from gpuspawner.model import Reason
from gpuspawner.store import agents, claims, engines, events, schema
from gpuspawner.store.database import Connection, Database
from tests.store.wishes import KEY, NAME, OTHER_KEY, TOKEN, at, run


class Mistake(Exception):
    pass


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "controller.sqlite"


@pytest.fixture
def file(path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{path}", KEY)
    database.migrate()
    yield database
    database.close()


async def test_a_mistake_undoes_the_whole_transaction(database: Database) -> None:
    def play(c: Connection) -> None:
        run(c)
        raise Mistake

    with pytest.raises(Mistake):
        await database.run(play)
    assert await database.read(claims.all_claims) == []
    assert await database.read(events.audit_lines) == []


async def test_nothing_runs_on_the_event_loops_thread(database: Database) -> None:
    def where(_: Connection) -> int:
        return threading.get_ident()

    assert threading.get_ident() not in (await database.run(where), await database.read(where))


async def test_a_reader_does_not_write(database: Database) -> None:
    with pytest.raises(ControllerUnavailable):
        await database.read(run)
    assert await database.read(claims.all_claims) == []


async def test_a_reader_does_not_wait_for_a_writer(database: Database) -> None:
    began, go_on = threading.Event(), threading.Event()

    def slow(c: Connection) -> None:
        run(c)
        began.set()
        assert go_on.wait(60)

    writing = asyncio.ensure_future(database.run(slow))
    await asyncio.to_thread(began.wait, 60)
    assert await database.read(claims.all_claims) == []
    go_on.set()
    await writing
    assert len(await database.read(claims.all_claims)) == 1


async def test_a_change_wakes_and_what_changes_nothing_does_not(database: Database) -> None:
    woken: list[str] = []
    database.on_change(lambda: woken.append("woken"))

    async def wakes(running: Coroutine[Any, Any, Any]) -> int:
        await running
        return len(woken)

    assert await wakes(database.run(run)) == 1
    assert await wakes(database.run(claims.all_claims)) == 1
    assert await wakes(database.run(agents.heartbeat, NAME, 1, at(5))) == 1
    assert await wakes(database.run(claims.end, NAME, 7, Reason.USER, None, at(5))) == 1
    assert await wakes(database.run(claims.put_stopped, NAME, 1, Reason.USER, None, at(5))) == 2


async def test_what_a_cancelled_caller_began_is_done_and_heard_of(database: Database) -> None:
    began, go_on, woken = threading.Event(), threading.Event(), asyncio.Event()
    database.on_change(woken.set)

    def slow(c: Connection) -> None:
        began.set()
        assert go_on.wait(60)
        run(c)

    writing = asyncio.ensure_future(database.run(slow))
    await asyncio.to_thread(began.wait, 60)
    writing.cancel()
    go_on.set()
    await asyncio.wait_for(woken.wait(), 60)
    assert len(await database.read(claims.all_claims)) == 1


async def test_times_keep_their_moment_and_compare_as_moments(database: Database) -> None:
    korea = timezone(timedelta(hours=9))
    moment = datetime(2026, 11, 23, 18, 0, 0, 1, tzinfo=korea)

    def play(c: Connection) -> list[datetime]:
        for n, time in enumerate((at(0), moment, at(1))):
            c.execute(insert(schema.home_tokens).values(claim=str(n), token="", created_at=time))
        made = schema.home_tokens.c.created_at
        return list(c.execute(select(made).where(made > at(0), made < at(1))).scalars())

    (stored,) = await database.run(play)
    assert (stored, stored.tzinfo) == (moment, timezone.utc)


async def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    naive = at(0).replace(tzinfo=None)
    with pytest.raises(StatementError, match="no time zone"):
        await database.run(claims.home_token, NAME, naive)


async def test_the_token_is_in_no_file_of_the_database(file: Database, path: Path) -> None:
    await file.run(run)
    found = b"".join(one.read_bytes() for one in path.parent.iterdir())
    assert NAME.encode() in found
    assert TOKEN.encode() not in found
    kept = await file.run(claims.environment, NAME)
    assert kept
    assert kept.environment == {"JUPYTERHUB_API_TOKEN": TOKEN}


async def test_the_files_are_readable_by_nobody_else(file: Database, path: Path) -> None:
    await file.run(run)
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
    assert modes == {f"controller.sqlite{end}": 0o600 for end in ("", "-wal", "-shm")}


async def test_sqlite_is_set_to_lose_no_commit(file: Database) -> None:
    def settings(c: Connection) -> tuple[object, ...]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return tuple(c.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in names)

    assert await file.run(settings) == ("wal", 2, 1)


async def test_a_file_locked_by_another_program_is_unavailable_and_then_works(
    file: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "BUSY_SECONDS", 0)
    impatient = Database(f"sqlite:///{path}", KEY)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE").close()
    with pytest.raises(ControllerUnavailable):
        await impatient.run(run)
    assert await impatient.read(claims.all_claims) == []
    other.execute("ROLLBACK").close()
    other.close()
    assert (await impatient.run(run)).generation == 1
    impatient.close()


async def test_an_error_does_not_show_what_was_to_be_stored(database: Database) -> None:
    def play(c: Connection) -> None:
        for _ in range(2):
            c.execute(
                insert(schema.environments).values(claim=NAME, generation=1, sealed=b"secret")
            )

    with pytest.raises(Exception, match="environments") as error:
        await database.run(play)
    assert "secret" not in str(error.value)


async def test_another_secret_does_not_open_the_database(empty: Database, url: str) -> None:
    empty.migrate()
    other = Database(url, OTHER_KEY)
    with pytest.raises(ConfigurationError, match="another secret"):
        other.migrate()
    other.close()
    empty.migrate()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "mysql://localhost/x",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:////proc/x/y",
    ],
)
def test_a_database_that_we_cannot_use_is_refused_by_name(url: str) -> None:
    with pytest.raises(ConfigurationError):
        Database(url, KEY)


def test_a_server_that_does_not_answer_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"postgresql://nobody:pass@/x?host={tmp_path}", KEY)
    with pytest.raises(ControllerUnavailable) as error:
        database.migrate()
    assert "pass@" not in str(error.value)
    database.close()

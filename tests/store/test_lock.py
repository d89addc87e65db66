from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from gpuspawner.errors import ControllerUnavailable
from gpuspawner.store.database import Database
from gpuspawner.store.lock import FileLock
from tests.store.postgresql import new_database
from tests.store.wishes import KEY


@pytest.fixture
def server(postgresql_url: str) -> Iterator[tuple[Database, str]]:
    url = new_database(postgresql_url)
    database = Database(url, KEY)
    yield database, url.replace("postgresql:", "postgresql+psycopg:")
    database.close()


def test_a_lock_whose_file_was_replaced_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock, other = FileLock(path), FileLock(path)
    assert lock.acquire()
    path.rename(tmp_path / "old")
    assert lock.lost()
    assert other.acquire()
    assert lock.lost()
    assert not lock.acquire()
    lock.release()
    other.release()


def test_a_lock_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(ControllerUnavailable):
        FileLock(tmp_path / "no" / "such" / "folder").acquire()


def test_a_lock_whose_connection_the_server_has_ended_is_lost(
    server: tuple[Database, str],
) -> None:
    database, url = server
    lock, other = database.lock(), database.lock()
    assert lock.acquire()
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_locks WHERE locktype = 'advisory'"
        )
    assert lock.lost()
    assert other.acquire()
    assert not lock.acquire()
    other.release()


def test_a_server_that_does_not_answer_has_no_lock_to_give(tmp_path: Path) -> None:
    database = Database(f"postgresql://nobody@/x?host={tmp_path}", KEY)
    with pytest.raises(ControllerUnavailable):
        database.lock().acquire()
    database.close()


async def test_a_restarted_server_is_found_again(server: tuple[Database, str]) -> None:
    database, url = server
    database.migrate()
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert await database.run(lambda c: c.exec_driver_sql("SELECT 1").scalar_one()) == 1

"""A database looked at from outside: read, never written, its lock never taken."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from gpuspawner.errors import ConfigurationError, ControllerUnavailable
from gpuspawner.store import events, look
from gpuspawner.store.database import Database
from tests.store.wishes import KEY, OTHER_KEY

NOON = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)
LONG_AGO = NOON - timedelta(days=14)


async def test_it_says_version_owner_and_what_starts_take(url):
    database = Database(url, KEY)
    database.migrate()
    for seconds in (100, 200, 900):
        await database.run(events.record_start, "small", seconds, NOON)
    seen = look.look(url, KEY, LONG_AGO)
    database.close()
    assert seen == look.Seen(seen.newest, seen.newest, True, True, {"small": 200})


async def test_another_secret_is_told_apart_and_none_is_not_tried(url):
    database = Database(url, KEY)
    database.migrate()
    assert (look.look(url, OTHER_KEY, NOON).ours, look.look(url, None, NOON).ours) == (False, None)
    database.close()


def test_an_empty_database_is_of_no_version(empty, url):
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).touch()
    seen = look.look(url, KEY, NOON)
    assert (seen.version, seen.known, seen.ours) == ("", True, None)


@pytest.fixture
def empty():
    """Named by a test that wants a database without tables."""


def test_the_holder_of_the_lock_is_seen_and_keeps_it(url):
    database = Database(url, KEY)
    lock = database.lock()
    assert look.holder(url) == ""
    assert lock.acquire()
    assert look.holder(url)
    assert not lock.lost()
    lock.release()
    assert look.holder(url) == ""
    database.close()


def test_looking_makes_no_file(tmp_path):
    url = f"sqlite:///{tmp_path}/a.sqlite"
    database = Database(url, KEY)
    database.migrate()
    database.close()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    look.look(url, KEY, NOON)
    look.holder(url)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


async def test_it_is_read_beside_a_controller_that_writes(tmp_path):
    url = f"sqlite:///{tmp_path}/a.sqlite"
    database = Database(url, KEY)
    database.migrate()
    await database.run(events.record_start, "small", 50, NOON)
    assert (tmp_path / "a.sqlite-wal").exists()
    assert look.look(url, KEY, LONG_AGO).usual == {"small": 50}
    await database.run(events.record_start, "small", 70, NOON)
    database.close()


@pytest.mark.parametrize("url", ["oracle://x", "sqlite://", "no url"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(ConfigurationError):
        look.look(url, KEY, NOON)


def test_a_server_that_does_not_answer_says_so_without_its_password():
    with pytest.raises(ControllerUnavailable) as error:
        look.look("postgresql://hub:hunter2@127.0.0.1:1/x", KEY, NOON)
    assert "hunter2" not in str(error.value)

"""What is remembered is always what the database says; it is only asked for less of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event

from gpuspawner.language import say
from gpuspawner.model import Reason, Stage
from gpuspawner.store import claims, events, remembered, schema
from gpuspawner.store.database import Connection, Database, engine_of
from gpuspawner.store.remembered import Durations, Histories
from tests.store.wishes import KEY, NAME, SAID, at, run

OTHER = "gs-other"
NAMES = (NAME, OTHER, "gs-third")


def _note(c: Connection, name: str, second: float) -> None:
    row = claims.get(c, name)
    events.record(c, name, row.generation, Stage.BOOT, say("At {at}.", at=second), at(second))


def _play(c: Connection, deed: str, name: str, second: float) -> None:
    known = any(one.name == name for one in claims.all_claims(c))
    if deed == "press start":
        run(c, name)
    elif known and deed == "note":
        _note(c, name, second)
    elif known and deed == "forget":
        claims.put_deleted(c, name, Reason.USER, at(second))
        claims.forget(c, name)
    elif deed == "prune":
        events.prune(c, at(second - 3))


DEEDS = st.lists(
    st.tuples(st.sampled_from(["press start", "note", "forget", "prune"]), st.sampled_from(NAMES)),
    max_size=12,
)


@pytest.fixture(scope="module")
def sqlite_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One for all examples, each of which is undone."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('remembered')}/one.sqlite", KEY)
    database.migrate()
    yield database
    database.close()


@settings(max_examples=60, deadline=None)
@given(plays=st.lists(DEEDS, max_size=5), many=st.sampled_from([1, 2, 500]))
def test_what_is_remembered_of_histories_is_what_the_database_says(sqlite_database, plays, many):
    mine, second = Histories(), 0.0
    before, remembered._MANY = remembered._MANY, many
    try:
        with engine_of(sqlite_database).connect() as c:
            for play in plays:
                for deed, name in play:
                    second += 1
                    _play(c, deed, name, second)
                assert mine.read(c) == events.histories(c)
            c.rollback()
    finally:
        remembered._MANY = before


async def test_a_history_that_has_changed_is_read_again_and_no_other(database: Database) -> None:
    def begin(c: Connection) -> None:
        for name in (NAME, OTHER):
            run(c, name)
            _note(c, name, 1)

    mine = Histories()
    await database.run(begin)
    first = await database.read(mine.read)
    await database.run(_note, NAME, 2)
    second = await database.read(mine.read)
    assert [line.at for line in second[NAME]] == [at(1), at(2)]
    assert second[OTHER] is first[OTHER]


async def test_histories_that_have_not_changed_are_not_read(database: Database) -> None:
    def begin(c: Connection) -> None:
        run(c)
        _note(c, NAME, 1)

    mine = Histories()
    await database.run(begin)
    seen = [await database.read(mine.read)]
    said: list[str] = []

    def listen(_connection, _cursor, statement, *_rest) -> None:
        said.append(statement)

    event.listen(database._reader, "before_cursor_execute", listen)
    seen.append(await database.read(mine.read))
    assert seen[0] == seen[1]
    assert [one for one in said if "sentence" in one] == []
    assert len([one for one in said if "count" in one]) == 1


async def test_starts_that_came_since_are_added_and_old_ones_fall_out(database: Database) -> None:
    mine = Durations()

    async def read(since: float) -> dict[str, list[float]]:
        return await database.read(mine.read, at(since))

    assert await read(0) == {}
    await database.run(events.record_start, "small", 70, at(1))
    assert await read(0) == {"small": [70.0]}
    await database.run(events.record_start, "small", 80, at(5))
    await database.run(events.record_start, "large", 90, at(6))
    assert await read(0) == {"small": [70.0, 80.0], "large": [90.0]}
    assert await read(2) == {"small": [80.0], "large": [90.0]}
    assert await read(6) == {"large": [90.0]}


async def test_starts_are_seen_when_their_numbers_begin_anew(database: Database) -> None:
    def empty(c: Connection) -> None:
        c.execute(delete(schema.starts))
        # What SQLite does by itself, whichever database it is.
        c.execute(schema.starts.insert().values(id=1, size="small", seconds=50, at=at(9)))

    mine = Durations()
    for second in range(3):
        await database.run(events.record_start, "small", 70, at(second))
    assert await database.read(mine.read, at(0)) == {"small": [70.0, 70.0, 70.0]}
    await database.run(empty)
    assert await database.read(mine.read, at(0)) == {"small": [50.0]}


async def test_only_the_newest_starts_of_a_size_are_kept(database: Database) -> None:
    def many(c: Connection) -> None:
        for number in range(remembered._STARTS_KEPT + 5):
            events.record_start(c, "small", number, at(number))
        events.record_start(c, "large", 1, at(0))

    mine = Durations()
    await database.run(many)
    found = await database.read(mine.read, at(0) - timedelta(days=1))
    assert found == {
        "small": [float(number) for number in range(5, remembered._STARTS_KEPT + 5)],
        "large": [1.0],
    }


async def test_more_names_than_one_query_takes_are_all_looked_up(database: Database) -> None:
    def play(c: Connection) -> dict:
        run(c)
        events.record(c, NAME, 1, Stage.BOOT, SAID, at(1))
        others = [f"gs-{number}" for number in range(events._AT_ONCE)]
        return events.histories_of(c, [*others, NAME])

    assert list(await database.run(play)) == [NAME]

"""The ledger comes to a database that has been in use, and guards itself from then on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import MetaData, select, text
from sqlalchemy.exc import IntegrityError

from gpuspawner.store import claims, events, ledger, migrate, schema
from gpuspawner.store.database import Connection, Database, engine_of
from tests.store.wishes import KEY, NAME, boot

FACTS = ("transactions", "postings", "prices", "sightings")


def before_the_ledger(database: Database) -> None:
    with engine_of(database).begin() as c:
        command.upgrade(migrate.configuration(c), "0001")


def in_use(database: Database, newer: Database) -> None:
    """As a controller of that time would have filled it: what `newer` has, in the older tables."""
    with engine_of(newer).connect() as source, engine_of(database).begin() as target:
        now, then = MetaData(), MetaData()
        now.reflect(source)
        then.reflect(target)
        for table in then.sorted_tables:
            filled = target.execute(select(table).limit(1)).first()
            columns = [now.tables[table.name].c[name] for name in table.c.keys()]  # noqa: SIM118
            rows = [] if filled else source.execute(select(*columns)).mappings().all()
            if rows:
                target.execute(table.insert(), [dict(row) for row in rows])


def courses(c: Connection) -> list[Any]:
    return list(
        c.execute(
            text(
                "SELECT c.slug, c.unit, c.cost_unit, c.timezone, a.kind, a.owner, a.balance "
                "FROM courses c JOIN accounts a ON a.course = c.id ORDER BY a.id"
            )
        ).all()
    )


def guards(c: Connection) -> set[str]:
    if c.dialect.name == "sqlite":
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    else:
        query = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
    return {row[0] for row in c.execute(text(query))}


THE_COURSE = [
    ("default", "USD", "USD", "UTC", kind, None, 0 if kind == "pool" else None)
    for kind in ("external", "pool", "spent", "expired", "writeoff", "cloud", "borne")
]


async def test_a_database_in_use_gets_a_ledger_and_keeps_what_it_had(
    empty: Database, sqlite_tables: Path, tmp_path: Path
) -> None:
    before_the_ledger(empty)
    shutil.copy(sqlite_tables, tmp_path / "newer.sqlite")
    newer = Database(f"sqlite:///{tmp_path}/newer.sqlite", KEY)
    await newer.run(boot)
    in_use(empty, newer)
    newer.close()
    was = await empty.run(claims.get, NAME), await empty.run(events.audit_lines)
    empty.migrate()
    assert (await empty.run(claims.get, NAME), await empty.run(events.audit_lines)) == was
    assert [tuple(row) for row in await empty.run(courses)] == THE_COURSE
    again = await empty.run(courses)
    empty.migrate()
    assert await empty.run(courses) == again


async def test_a_new_database_has_the_course_and_what_it_owns_and_nobody(own: Database) -> None:
    assert [tuple(row) for row in await own.run(courses)] == THE_COURSE
    assert await own.run(ledger.people) == []
    assert (await own.run(ledger.course)).slug == "default"
    assert await own.run(ledger.differences) == []


async def test_every_fact_is_guarded_and_nothing_else(own: Database) -> None:
    found = await own.run(guards)
    assert {name.rpartition("_no_")[0] for name in found} == set(FACTS)
    verbs = {name.rpartition("_no_")[2] for name in found}
    assert verbs in ({"update", "delete", "replace"}, {"update", "truncate"})
    assert len(found) == len(FACTS) * len(verbs)


async def test_a_course_is_configured_in_the_database_of_a_controller(own: Database) -> None:
    made = await own.run(
        ledger.configure_course, unit="KRW", cost_unit="USD", timezone="Asia/Seoul"
    )
    assert (made.unit, made.cost_unit, made.timezone) == ("KRW", "USD", "Asia/Seoul")
    assert await own.read(ledger.course) == made


async def test_two_owners_of_the_same_account_are_refused_by_the_database(own: Database) -> None:
    def twice(c: Connection) -> None:
        c.execute(
            text("INSERT INTO accounts (course, kind, balance) SELECT id, 'pool', 0 FROM courses")
        )

    with pytest.raises(IntegrityError):
        await own.run(twice)


def test_the_tables_of_the_ledger_are_among_those_that_are_compared() -> None:
    assert {"postings", "holds", "sightings", "notes"} <= set(schema.metadata.tables)

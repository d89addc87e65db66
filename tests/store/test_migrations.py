from __future__ import annotations

from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from gpuspawner.errors import ConfigurationError
from gpuspawner.store import migrate, schema
from gpuspawner.store.database import Connection, Database, engine_of
from tests.store.wishes import run


def _differences(c: Connection) -> list[Any]:
    options = {"compare_type": True, "compare_server_default": True}
    return list(compare_metadata(MigrationContext.configure(c, opts=options), schema.metadata))


async def test_migrated_tables_are_those_of_the_schema(own: Database) -> None:
    assert await own.run(_differences) == []


async def test_a_missing_column_would_be_noticed(own: Database) -> None:
    def play(c: Connection) -> list[Any]:
        c.execute(text("ALTER TABLE claims DROP COLUMN saved_at"))
        return _differences(c)

    ((what, *_),) = await own.run(play)
    assert what == "add_column"


async def test_constraints_have_the_names_of_the_schema(own: Database) -> None:
    def names(c: Connection) -> set[str | None]:
        looked = inspect(c)
        found: set[str | None] = set()
        for table in schema.metadata.tables:
            found.add(looked.get_pk_constraint(table)["name"])
            found |= {one["name"] for one in looked.get_foreign_keys(table)}
            found |= {one["name"] for one in looked.get_check_constraints(table)}
        return found

    wanted = {one.name for table in schema.metadata.tables.values() for one in table.constraints}
    assert await own.run(names) == wanted


async def test_to_migrate_again_changes_nothing(own: Database) -> None:
    def everything(c: Connection) -> list[Any]:
        version = c.execute(text("SELECT version_num FROM alembic_version")).all()
        tables = schema.metadata.sorted_tables
        return [version, *(c.execute(table.select()).all() for table in tables)]

    await own.run(run)
    before = await own.run(everything)
    own.migrate()
    assert await own.run(everything) == before


async def test_every_earlier_version_is_brought_up_to_date(empty: Database) -> None:
    with engine_of(empty).connect() as c:
        script = ScriptDirectory.from_config(migrate.configuration(c))
        versions = [one.revision for one in script.walk_revisions()]
    assert len(script.get_heads()) == 1
    for version in reversed(versions):
        with engine_of(empty).begin() as c:
            command.upgrade(migrate.configuration(c), version)
        empty.migrate()
        assert await empty.run(_differences) == []


async def test_a_newer_database_is_refused_and_left_alone(own: Database) -> None:
    await own.run(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(ConfigurationError, match="newer"):
        own.migrate()


async def test_a_migration_that_fails_leaves_nothing_behind(
    empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(c: Connection) -> None:
        raise ConfigurationError("in the middle")

    with monkeypatch.context() as patch:
        patch.setattr(migrate, "_check_whose", fail)
        with pytest.raises(ConfigurationError, match="in the middle"):
            empty.migrate()
    assert await empty.run(lambda c: inspect(c).get_table_names()) == []
    empty.migrate()


async def test_what_points_to_a_claim_goes_with_it_after_a_migration(own: Database) -> None:
    await own.run(run)

    def play(c: Connection) -> int:
        c.execute(schema.claims.delete())
        return len(c.execute(schema.environments.select()).all())

    assert await own.run(play) == 0

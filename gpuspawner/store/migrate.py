"""Brings the tables of any earlier version up to date. Nobody needs Alembic's command line for it."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, select

import gpuspawner.store.ledger  # noqa: F401 - its tables are among those that are made
from gpuspawner.errors import ConfigurationError
from gpuspawner.store import schema
from gpuspawner.store.encryption import cipher_of
from gpuspawner.store.rows import insert_if_absent

_SCRIPTS = Path(__file__).parent / "migrations"
_KEY = 0x6770757370617769
_WHOSE = {"hub": "gpuspawner"}


def upgrade(engine: Engine) -> None:
    """Upgrade in one transaction: all of it, or nothing.

    Raises:
        ConfigurationError: the database is of a newer version, or belongs to another secret.
    """
    with engine.connect() as c:
        if c.dialect.name == "sqlite":
            # A table is changed by making it anew, which must not delete what points to it.
            # Inside a transaction this setting has no effect.
            _unchecked(c, off=True)
        try:
            with c.begin():
                _upgrade(c)
        finally:
            if c.dialect.name == "sqlite":
                _unchecked(c, off=False)


def configuration(c: Connection) -> Config:
    """Alembic's configuration for the database that `c` is connected to."""
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = c
    return config


def _upgrade(c: Connection) -> None:
    if c.dialect.name == "postgresql":
        c.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_KEY})")
    try:
        command.upgrade(configuration(c), "head")
    except CommandError as error:
        raise ConfigurationError(
            f"the database was written by a newer gpuspawner, or by something else: {error}"
        ) from error
    if c.dialect.name == "sqlite":
        broken = c.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        assert not broken, f"the migration has broken references: {broken}"
    _check_whose(c)


def _check_whose(c: Connection) -> None:
    """Refuse a database that another secret has written, before anything is decided from it."""
    insert_if_absent(c, schema.canary, id=1, sealed=cipher_of(c).seal(_WHOSE))
    cipher_of(c).open(c.execute(select(schema.canary.c.sealed)).scalar_one())


def _unchecked(c: Connection, *, off: bool) -> None:
    connection = c.connection.dbapi_connection
    assert connection is not None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA foreign_keys={'OFF' if off else 'ON'}")
    cursor.close()

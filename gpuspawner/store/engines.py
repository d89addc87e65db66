"""The two kinds of database, and what each needs to be told.

SQLite in WAL mode, `synchronous=FULL`: a commit is on the disk before it is answered. WAL with the
default of `NORMAL` would survive a crash whole but may forget the last commits in a power cut, and
a forgotten intent is a machine that nobody asked for. It costs a few milliseconds a commit, at a
few commits a second. PostgreSQL does the same by its own default.

https://www.sqlite.org/pragma.html#pragma_synchronous
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from gpuspawner.errors import ConfigurationError

BUSY_SECONDS = 5
"""How long a transaction waits for another program that writes to the same SQLite file."""

_POSTGRESQL_CONNECTION = {"connect_timeout": 10, "application_name": "gpuspawner"}


def parse(url: str) -> URL:
    """The address of a database that we know how to use.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigurationError("c.Controller.database_url is not a database URL") from None
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "postgresql+psycopg"):
        raise ConfigurationError(
            f"c.Controller.database_url must begin with sqlite:/// or postgresql://, "
            f"not {parsed.drivername}"
        )
    if parsed.drivername == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ConfigurationError(
            "c.Controller.database_url must name a file: a controller that forgets loses machines"
        )
    return parsed


def sqlite_file(url: URL) -> Path:
    """The file of an SQLite database."""
    assert url.database
    return Path(url.database).absolute()


def make(url: URL, *, pool_size: int, read_only: bool = False, pooled: bool = True) -> Engine:
    """An engine. It does not connect yet.

    Raises:
        ConfigurationError: the driver is not installed, or the file's folder cannot be made.
    """
    # An error's text would show the values of a statement, and among them are secrets.
    options: dict[str, Any] = {"hide_parameters": True}
    options |= {"pool_size": pool_size, "max_overflow": 0} if pooled else {"poolclass": NullPool}
    if url.drivername == "sqlite":
        return _sqlite(url, read_only=read_only, options=options)
    options |= {"pool_pre_ping": True, "connect_args": _POSTGRESQL_CONNECTION}
    if read_only:
        options["execution_options"] = {"postgresql_readonly": True}
    try:
        return create_engine(url, **options)
    except ImportError as error:
        raise ConfigurationError(
            "a PostgreSQL database needs its driver: pip install 'gpuspawner[postgres]'"
        ) from error


def _sqlite(url: URL, *, read_only: bool, options: dict[str, Any]) -> Engine:
    path = sqlite_file(url)
    _make_private(path)
    engine = create_engine(
        url.set(database=str(path)), connect_args={"timeout": BUSY_SECONDS}, **options
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        # None: the driver begins no transaction by itself, which it would do too late.
        connection.isolation_level = None
        _write_ahead(connection)
        for pragma in (
            "synchronous=FULL",
            "foreign_keys=ON",
            f"query_only={'ON' if read_only else 'OFF'}",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A writer takes the lock before it reads. To take it later can fail for good, when another
        # program has written in between.
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch a new file to WAL.

    SQLite waits `BUSY_SECONDS` for a lock everywhere but here: of two programs that meet a new file
    at once, the later would fail. So it waits where SQLite does, for the end of what the other writes.

    Raises:
        sqlite3.OperationalError: the other one writes for longer.
    """
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
        except sqlite3.OperationalError:  # noqa: PERF203 - the loop is for it
            connection.execute("BEGIN EXCLUSIVE").close()
            connection.execute("ROLLBACK").close()
        else:
            return


def _make_private(path: Path) -> None:
    """Make the file readable by nobody else; SQLite gives its companions the same permissions."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise ConfigurationError(f"the database {path} cannot be made: {error}") from error

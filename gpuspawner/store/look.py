"""Looks at a database from outside, beside the controller that owns it or without one.

It only reads, it makes no file, and the lock is looked at and never taken.
"""

from __future__ import annotations

import contextlib
import sqlite3
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from gpuspawner.errors import ConfigurationError, ControllerUnavailable
from gpuspawner.policy.money import Component
from gpuspawner.store import engines, events, migrate, price_book, schema
from gpuspawner.store.encryption import CIPHER_OPTION, Cipher, cipher_of
from gpuspawner.store.lock import KEY

_BUSY_SECONDS = 1.0
_FOR_EVER = 2**62
_LOCKS = Path("/proc/locks")
_HOLDER = text(
    "SELECT a.pid, a.application_name, a.client_addr::text FROM pg_locks l "
    "JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'advisory' AND l.granted "
    "AND l.classid::bigint = :high AND l.objid::bigint = :low "
    "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


@dataclass(frozen=True, slots=True)
class Seen:
    """`version` is the newest migration it has, `known` whether we know it, `newest` is ours.

    `ours` is whether our secret opens it, None when that could not be tried. `usual` is the median
    of the recent starts in seconds, by size.
    """

    version: str
    newest: str
    known: bool
    ours: bool | None
    usual: Mapping[str, float] = field(default_factory=dict)
    priced: frozenset[tuple[str, str]] = frozenset()
    """Region and size of what has a price in both books."""
    prices_read: int | None = None
    """When a price service was last read in full, in UTC seconds."""


def file_of(url: str) -> Path | None:
    """The file of an SQLite database, None for a server's.

    Raises:
        ConfigurationError: the URL is none that we can use.
    """
    parsed = engines.parse(url)
    return engines.sqlite_file(parsed) if parsed.drivername == "sqlite" else None


def look(url: str, key: bytes | None, since: datetime) -> Seen:
    """Open it for reading and say what it is. `key` is `Identity.encryption_key`, if there is one.

    Raises:
        ConfigurationError: the URL is none, or the driver is missing.
        ControllerUnavailable: it cannot be read; the text says why.
    """
    parsed = engines.parse(url)
    options = {CIPHER_OPTION: Cipher(key)} if key else {}
    if parsed.drivername == "sqlite":
        engine = create_engine(
            "sqlite://", creator=lambda: _reading(engines.sqlite_file(parsed)), poolclass=NullPool
        )
    else:
        engine = engines.make(parsed, pool_size=1, read_only=True, pooled=False)
    with _answering(engine), engine.execution_options(**options).connect() as c:
        return _seen(c, key, since)


@contextlib.contextmanager
def _answering(engine: Engine) -> Iterator[None]:
    """Everything that a database can say instead of an answer, as one error."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        # Its first line: what follows repeats the statement.
        said = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        raise ControllerUnavailable(said) from error
    finally:
        engine.dispose()


def _reading(path: Path) -> sqlite3.Connection:
    """Without companions nobody has it open: then it is read without making any."""
    wal = path.with_name(path.name + "-wal")
    how = "mode=ro" if wal.exists() else "mode=ro&immutable=1"
    return sqlite3.connect(f"{path.as_uri()}?{how}", uri=True, timeout=_BUSY_SECONDS)


def _seen(c: Connection, key: bytes | None, since: datetime) -> Seen:
    if c.dialect.name == "sqlite":
        c.exec_driver_sql("PRAGMA quick_check(1)").fetchall()
    script = ScriptDirectory.from_config(migrate.configuration(c))
    newest = script.get_current_head() or ""
    version = MigrationContext.configure(c).get_current_revision() or ""
    known = not version or version in {one.revision for one in script.walk_revisions()}
    if version != newest:
        return Seen(version, newest, known, None)
    usual = {
        size: statistics.median(seconds)
        for size, seconds in events.start_durations(c, since).items()
    }
    read_at, priced = _prices(c)
    return Seen(version, newest, known, _ours(c) if key else None, usual, priced, read_at)


def _prices(c: Connection) -> tuple[int | None, frozenset[tuple[str, str]]]:
    books = price_book.read(c, _FOR_EVER)
    both = books.cost.keys() & books.charge.keys()
    sizes = frozenset((one.region, one.sku) for one in both if one.component is Component.COMPUTE)
    services = {(one.provider, one.region) for one in both}
    times = [price_book.last_read(c, *service) for service in services]
    return max((at for at in times if at is not None), default=None), sizes


def _ours(c: Connection) -> bool | None:
    if not inspect(c).has_table(schema.canary.name):
        return None
    sealed = c.execute(select(schema.canary.c.sealed)).scalar_one_or_none()
    if sealed is None:
        return None
    try:
        cipher_of(c).open(sealed)
    except ConfigurationError:
        return False
    return True


def holder(url: str) -> str | None:
    """Who holds the lock, in the system's words; "" when nobody does, None when it cannot be seen.

    Raises:
        ConfigurationError: the URL is none, or the driver is missing.
        ControllerUnavailable: the server does not answer.
    """
    parsed = engines.parse(url)
    if parsed.drivername == "sqlite":
        path = engines.sqlite_file(parsed)
        return _file_holder(path.with_name(path.name + ".lock"))
    return _server_holder(parsed)


def _file_holder(path: Path) -> str | None:
    """Linux lists all locks; to try it out would be to take it for a moment."""
    if not path.exists():
        return ""
    try:
        there, lines = path.stat(), _LOCKS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        parts = line.split()
        if len(parts) > 5 and parts[1] == "FLOCK" and parts[5].endswith(f":{there.st_ino}"):
            return f"process {parts[4]}"
    return ""


def _server_holder(url: URL) -> str:
    engine = engines.make(url, pool_size=1, read_only=True, pooled=False)
    with _answering(engine), engine.connect() as c:
        row = c.execute(_HOLDER, {"high": KEY >> 32, "low": KEY & 0xFFFFFFFF}).first()
    return f"{row[1]} {row[0]} ({row[2] or 'local'})" if row else ""

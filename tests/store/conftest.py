from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpuspawner.store.database import Database
from tests.store import postgresql
from tests.store.wishes import KEY


def _migrate(url: str) -> str:
    database = Database(url, KEY)
    database.migrate()
    database.close()
    return url


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A private server, `{}` in the place of a database's name."""
    with postgresql.server() as url:
        yield url


@pytest.fixture(scope="session")
def postgresql_tables(postgresql_url: str) -> str:
    """The URL of a database with tables."""
    return _migrate(postgresql.new_database(postgresql_url))


@pytest.fixture(scope="session")
def sqlite_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with tables."""
    path = tmp_path_factory.mktemp("tables") / "controller.sqlite"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database of each kind: without tables for `empty`, with empty ones otherwise.

    To make tables, and databases, takes longer than most tests.
    """
    new = "empty" in request.fixturenames
    if request.param == "sqlite":
        path = tmp_path / "controller.sqlite"
        if not new:
            shutil.copy(request.getfixturevalue("sqlite_tables"), path)
        return f"sqlite:///{path}"
    if new:
        return postgresql.new_database(request.getfixturevalue("postgresql_url"))
    shared: str = request.getfixturevalue("postgresql_tables")
    postgresql.clean(shared)
    return shared


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """A database with empty tables, not to be harmed by the test."""
    database = Database(url, KEY)
    yield database
    database.close()


@pytest.fixture
def empty(url: str) -> Iterator[Database]:
    """A database of the test's own, without tables."""
    database = Database(url, KEY)
    yield database
    database.close()


@pytest.fixture
def own(empty: Database) -> Database:
    """A database of the test's own, with tables."""
    empty.migrate()
    return empty

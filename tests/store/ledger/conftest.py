from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from gpuspawner.store.database import Connection, Database, engine_of
from tests.store import postgresql
from tests.store.ledger.bank import Bank
from tests.store.wishes import KEY


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def money_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database of each kind for all tests of the ledger: each makes a course of its own in it."""
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("money") / "controller.sqlite"
        shutil.copy(request.getfixturevalue("sqlite_tables"), path)
        return f"sqlite:///{path}"
    url = postgresql.new_database(request.getfixturevalue("postgresql_url"))
    database = Database(url, KEY)
    database.migrate()
    database.close()
    return url


@pytest.fixture(scope="session")
def money(money_url: str) -> Iterator[Database]:
    """The controller's own database, as it uses it."""
    database = Database(money_url, KEY)
    yield database
    database.close()


@pytest.fixture(scope="session")
def engine(money: Database) -> Engine:
    """The same, for tests in which Hypothesis makes one transaction after another."""
    return engine_of(money)


@pytest.fixture
def c(engine: Engine) -> Iterator[Connection]:
    """A transaction that is undone after the test."""
    with engine.connect() as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def bank(c: Connection) -> Bank:
    """A course with money, prices, and two students who have nothing yet."""
    return Bank(c)

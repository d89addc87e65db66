"""The books' tables; those of what is used are in `usage`. `migrations/` makes them, and guards the facts.

Names are those of the database: `transactions`, `postings`, `prices` and `sightings` are facts and
only grow. `accounts.balance` and `lots.remaining` are counted from the postings and kept beside
them; `checks` counts them again. What people write about a transaction is in `notes`, which is no
fact: it may hold a name, and is erased with the person. Unique rules are indexes, so that both
databases name them alike.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from gpuspawner.store.columns import Json
from gpuspawner.store.schema import metadata

FACTS = ("transactions", "postings", "prices", "sightings")
"""The tables that refuse to be changed."""

NUMBER = BigInteger().with_variant(Integer(), "sqlite")
_LIMIT = 2**63


class Exact(TypeDecorator[int]):
    """A whole number of 64 bits: micros or seconds. Anything else is refused.

    SQLite would keep 0.1 in a column of whole numbers without a word.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> int | None:  # noqa: ARG002
        """To the database."""
        if value is None:
            return None
        if type(value) is not int or not -_LIMIT <= value < _LIMIT:
            raise ValueError(f"{value!r} is not a whole number of 64 bits")
        return value


def key(table: str, column: str = "id") -> PrimaryKeyConstraint:
    """The primary key."""
    return PrimaryKeyConstraint(column, name=f"pk_{table}")


def of(table: str, column: str, other: str) -> ForeignKeyConstraint:
    """A column that names a row of another table."""
    return ForeignKeyConstraint([column], [f"{other}.id"], name=f"fk_{table}_{column}_{other}")


def unique(name: str, *columns: Column[Any], where: Any = None) -> None:
    """A rule that no two rows (of those in `where`) agree in these columns."""
    only = {} if where is None else {"sqlite_where": where, "postgresql_where": where}
    Index(name, *columns, unique=True, **only)


courses = Table(
    "courses",
    metadata,
    Column("id", NUMBER, nullable=False, autoincrement=True),
    Column("slug", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("cost_unit", Text, nullable=False),
    Column("timezone", Text, nullable=False),
    key("courses"),
)
unique("ix_courses_slug", courses.c.slug)

people = Table(
    "people",
    metadata,
    Column("id", Text, nullable=False),
    Column("hub_user_id", Text),
    Column("name", Json),
    Column("email", Json),
    Column("student_number", Json),
    Column("known_since", Exact, nullable=False),
    Column("erased_at", Exact),
    key("people"),
)
unique("ix_people_hub_user_id", people.c.hub_user_id)
Index("ix_people_name", people.c.name)

accounts = Table(
    "accounts",
    metadata,
    Column("id", NUMBER, nullable=False, autoincrement=True),
    Column("course", BigInteger, nullable=False),
    Column("owner", Text),
    Column("kind", Text, nullable=False),
    Column("balance", Exact),
    key("accounts"),
    of("accounts", "course", "courses"),
    of("accounts", "owner", "people"),
    CheckConstraint(
        "kind IN ('external', 'pool', 'student', 'spent', 'expired', 'writeoff', 'cloud', 'borne')",
        name="ck_accounts_kind",
    ),
    CheckConstraint(
        "(balance IS NOT NULL) = (kind IN ('pool', 'student'))", name="ck_accounts_balance"
    ),
)
unique(
    "ix_accounts_of_person",
    accounts.c.course,
    accounts.c.owner,
    accounts.c.kind,
    where=accounts.c.owner.is_not(None),
)
unique(
    "ix_accounts_of_course",
    accounts.c.course,
    accounts.c.kind,
    where=accounts.c.owner.is_(None),
)

transactions = Table(
    "transactions",
    metadata,
    Column("id", NUMBER, nullable=False, autoincrement=True),
    Column("course", BigInteger, nullable=False),
    Column("idem", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", Exact, nullable=False),
    Column("effective_at", Exact, nullable=False),
    Column("actor", Text, nullable=False),
    Column("meter", BigInteger),
    Column("reverses", BigInteger),
    key("transactions"),
    of("transactions", "course", "courses"),
    of("transactions", "meter", "meters"),
    of("transactions", "reverses", "transactions"),
)
unique("ix_transactions_idem", transactions.c.idem)
unique("ix_transactions_reverses", transactions.c.reverses)
Index("ix_transactions_meter", transactions.c.meter)
Index("ix_transactions_at", transactions.c.course, transactions.c.at)

lots = Table(
    "lots",
    metadata,
    Column("id", NUMBER, nullable=False, autoincrement=True),
    Column("account", BigInteger, nullable=False),
    Column("granted", Exact, nullable=False),
    Column("remaining", Exact, nullable=False),
    Column("granted_at", Exact, nullable=False),
    Column("expires_at", Exact),
    key("lots"),
    of("lots", "account", "accounts"),
    CheckConstraint("remaining BETWEEN 0 AND granted", name="ck_lots_remaining"),
)
Index("ix_lots_account", lots.c.account)

postings = Table(
    "postings",
    metadata,
    Column("id", NUMBER, nullable=False, autoincrement=True),
    Column("txn", BigInteger, nullable=False),
    Column("account", BigInteger, nullable=False),
    Column("lot", BigInteger),
    Column("micros", Exact, nullable=False),
    key("postings"),
    of("postings", "txn", "transactions"),
    of("postings", "account", "accounts"),
    of("postings", "lot", "lots"),
    CheckConstraint("micros <> 0", name="ck_postings_micros"),
)
Index("ix_postings_txn", postings.c.txn)
Index("ix_postings_account", postings.c.account)
Index("ix_postings_lot", postings.c.lot)

notes = Table(
    "notes",
    metadata,
    Column("txn", BigInteger, nullable=False, autoincrement=False),
    Column("text", Text, nullable=False),
    key("notes", "txn"),
    of("notes", "txn", "transactions"),
)

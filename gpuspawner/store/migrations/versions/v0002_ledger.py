"""The ledger: courses, people, accounts, transactions, prices, meters and holds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_FACTS = {
    "transactions": ("id", "idem"),
    "postings": ("id",),
    "prices": ("id",),
    "sightings": ("id",),
}
"""What refuses to be changed, and by which columns SQLite could be told to replace a row."""

_OF_COURSE = ("external", "pool", "spent", "expired", "writeoff", "cloud", "borne")


def upgrade() -> None:
    """Make the tables, guard the facts, and make the course that everybody is in."""
    _courses()
    _prices()
    _meters()
    _books()
    _notes()
    _guard()
    op.execute(
        "INSERT INTO courses (slug, unit, cost_unit, timezone) "
        "VALUES ('default', 'USD', 'USD', 'UTC')"
    )
    for kind in _OF_COURSE:
        balance = "0" if kind == "pool" else "NULL"
        op.execute(
            f"INSERT INTO accounts (course, kind, balance) "  # noqa: S608 - names of our own
            f"SELECT id, '{kind}', {balance} FROM courses WHERE slug = 'default'"
        )


def _courses() -> None:
    op.create_table(
        "courses",
        _id(),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("cost_unit", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        _key("courses"),
    )
    op.create_index("ix_courses_slug", "courses", ["slug"], unique=True)
    op.create_table(
        "people",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("hub_user_id", sa.Text()),
        sa.Column("name", sa.Text()),
        sa.Column("email", sa.Text()),
        sa.Column("student_number", sa.Text()),
        _exact("known_since"),
        _exact("erased_at", nullable=True),
        _key("people"),
    )
    op.create_index("ix_people_hub_user_id", "people", ["hub_user_id"], unique=True)
    op.create_index("ix_people_name", "people", ["name"])
    op.create_table(
        "accounts",
        _id(),
        _exact("course"),
        sa.Column("owner", sa.Text()),
        sa.Column("kind", sa.Text(), nullable=False),
        _exact("balance", nullable=True),
        _key("accounts"),
        _of("accounts", "course", "courses"),
        _of("accounts", "owner", "people"),
        sa.CheckConstraint(
            "kind IN ('external', 'pool', 'student', 'spent', 'expired', 'writeoff', 'cloud', 'borne')",
            name="ck_accounts_kind",
        ),
        sa.CheckConstraint(
            "(balance IS NOT NULL) = (kind IN ('pool', 'student'))", name="ck_accounts_balance"
        ),
    )
    _unique("ix_accounts_of_person", "accounts", ["course", "owner", "kind"], "owner IS NOT NULL")
    _unique("ix_accounts_of_course", "accounts", ["course", "kind"], "owner IS NULL")


def _prices() -> None:
    op.create_table(
        "prices",
        _id(),
        _exact("course"),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("book", "provider", "region", "sku", "component")
        ),
        *(_exact(name) for name in ("num", "den")),
        sa.Column("monthly", sa.Boolean(), nullable=False),
        _exact("min_seconds"),
        sa.Column("source", sa.Text(), nullable=False),
        *(_exact(name) for name in ("valid_from", "fetched_at", "recorded_at")),
        _key("prices"),
        _of("prices", "course", "courses"),
        sa.CheckConstraint("book IN ('charge', 'cost')", name="ck_prices_book"),
        sa.CheckConstraint(
            "component IN ('compute', 'disk', 'home', 'address')", name="ck_prices_component"
        ),
        sa.CheckConstraint("num >= 0 AND den > 0 AND min_seconds >= 0", name="ck_prices_rate"),
    )
    op.create_index(
        "ix_prices_what",
        "prices",
        ["course", "provider", "region", "sku", "component", "book", "valid_from"],
    )


def _meters() -> None:
    op.create_table(
        "meters",
        _id(),
        _exact("course"),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("component", sa.Text(), nullable=False),
        sa.Column("start", sa.Text(), nullable=False),
        _exact("continues", nullable=True),
        sa.Column("claim", sa.Text()),
        sa.Column("person", sa.Text()),
        _exact("payer"),
        sa.Column("hold", sa.Text()),
        *(_exact(name) for name in ("quantity", "charge_price", "cost_price", "opened_at")),
        sa.Column("opened_by", sa.Text(), nullable=False),
        *(_exact(name) for name in ("charge_from", "cost_from")),
        _exact("closed_at", nullable=True),
        sa.Column("close_reason", sa.Text()),
        *(_exact(name) for name in ("metered_to", "charged", "cost")),
        _key("meters"),
        _of("meters", "course", "courses"),
        _of("meters", "continues", "meters"),
        _of("meters", "person", "people"),
        _of("meters", "payer", "accounts"),
        _of("meters", "charge_price", "prices"),
        _of("meters", "cost_price", "prices"),
        sa.CheckConstraint("quantity > 0", name="ck_meters_quantity"),
        sa.CheckConstraint("closed_at IS NULL OR closed_at >= opened_at", name="ck_meters_closed"),
        sa.CheckConstraint("metered_to >= opened_at", name="ck_meters_metered"),
        sa.CheckConstraint("charged >= 0 AND cost >= 0", name="ck_meters_amounts"),
    )
    _unique("ix_meters_open", "meters", ["resource", "component"], "closed_at IS NULL")
    _unique("ix_meters_start", "meters", ["resource", "component", "start"], "continues IS NULL")
    op.create_index("ix_meters_continues", "meters", ["continues"], unique=True)
    op.create_index("ix_meters_person", "meters", ["person"])
    op.create_index("ix_meters_payer", "meters", ["payer"])


def _books() -> None:
    op.create_table(
        "transactions",
        _id(),
        _exact("course"),
        sa.Column("idem", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        _exact("at"),
        _exact("effective_at"),
        sa.Column("actor", sa.Text(), nullable=False),
        _exact("meter", nullable=True),
        _exact("reverses", nullable=True),
        _key("transactions"),
        _of("transactions", "course", "courses"),
        _of("transactions", "meter", "meters"),
        _of("transactions", "reverses", "transactions"),
    )
    op.create_index("ix_transactions_idem", "transactions", ["idem"], unique=True)
    op.create_index("ix_transactions_reverses", "transactions", ["reverses"], unique=True)
    op.create_index("ix_transactions_meter", "transactions", ["meter"])
    op.create_index("ix_transactions_at", "transactions", ["course", "at"])
    op.create_table(
        "lots",
        _id(),
        _exact("account"),
        _exact("granted"),
        _exact("remaining"),
        _exact("granted_at"),
        _exact("expires_at", nullable=True),
        _key("lots"),
        _of("lots", "account", "accounts"),
        sa.CheckConstraint("remaining BETWEEN 0 AND granted", name="ck_lots_remaining"),
    )
    op.create_index("ix_lots_account", "lots", ["account"])
    op.create_table(
        "postings",
        _id(),
        _exact("txn"),
        _exact("account"),
        _exact("lot", nullable=True),
        _exact("micros"),
        _key("postings"),
        _of("postings", "txn", "transactions"),
        _of("postings", "account", "accounts"),
        _of("postings", "lot", "lots"),
        sa.CheckConstraint("micros <> 0", name="ck_postings_micros"),
    )
    for column in ("txn", "account", "lot"):
        op.create_index(f"ix_postings_{column}", "postings", [column])


def _notes() -> None:
    op.create_table(
        "notes",
        sa.Column("txn", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        _key("notes", "txn"),
        _of("notes", "txn", "transactions"),
    )
    op.create_table(
        "holds",
        _id(),
        _exact("account"),
        sa.Column("ref", sa.Text(), nullable=False),
        _exact("placed"),
        _exact("remaining"),
        _exact("placed_at"),
        _exact("expires_at", nullable=True),
        _exact("released_at", nullable=True),
        _key("holds"),
        _of("holds", "account", "accounts"),
        sa.CheckConstraint("remaining >= 0 AND placed >= 0", name="ck_holds_remaining"),
    )
    op.create_index("ix_holds_ref", "holds", ["ref"], unique=True)
    op.create_index("ix_holds_account", "holds", ["account"])
    op.create_table(
        "sightings",
        _id(),
        sa.Column("resource", sa.Text(), nullable=False),
        _exact("at"),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        _key("sightings"),
        sa.CheckConstraint("source IN ('hub', 'cloud', 'agent')", name="ck_sightings_source"),
    )
    op.create_index("ix_sightings_resource", "sightings", ["resource", "at"])


def _guard() -> None:
    """Have the database itself refuse to change or delete a fact, whoever asks."""
    if op.get_context().dialect.name == "sqlite":
        for table, keys in _FACTS.items():
            refuse = f"BEGIN SELECT RAISE(ABORT, '{table} are facts: they are never changed'); END"
            for verb in ("UPDATE", "DELETE"):
                op.execute(
                    f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} {refuse}"
                )
            # INSERT OR REPLACE deletes the old row without asking the trigger above.
            same = " OR ".join(f"{key} = NEW.{key}" for key in keys)
            op.execute(
                f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "  # noqa: S608
                f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) {refuse}"
            )
        return
    op.execute(
        "CREATE FUNCTION gpuspawner_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION '% are facts: they are never changed', TG_TABLE_NAME "
        "USING ERRCODE = 'restrict_violation'; END $$"
    )
    for table in _FACTS:
        for verbs, each in (("UPDATE OR DELETE", "ROW"), ("TRUNCATE", "STATEMENT")):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verbs.split()[0].lower()} BEFORE {verbs} ON {table} "
                f"FOR EACH {each} EXECUTE FUNCTION gpuspawner_refuse_change()"
            )


def _id() -> sa.Column[int]:
    return sa.Column("id", _NUMBER, autoincrement=True, nullable=False)


def _exact(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def _key(table: str, column: str = "id") -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(column, name=f"pk_{table}")


def _of(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=f"fk_{table}_{column}_{other}")


def _unique(name: str, table: str, columns: list[str], where: str) -> None:
    only = sa.text(where)
    op.create_index(
        name, table, columns, unique=True, sqlite_where=only, postgresql_where=only
    )  # fmt: skip

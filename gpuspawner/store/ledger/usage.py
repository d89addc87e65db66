"""The tables of what is used: prices, meters, holds, and what was seen of a resource."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Table,
    Text,
)

from gpuspawner.store.columns import Json
from gpuspawner.store.ledger.schema import NUMBER, Exact, key, of, unique
from gpuspawner.store.schema import metadata

prices = Table(
    "prices",
    metadata,
    Column("id", NUMBER, nullable=False, autoincrement=True),
    Column("course", BigInteger, nullable=False),
    Column("book", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("sku", Text, nullable=False),
    Column("component", Text, nullable=False),
    Column("num", Exact, nullable=False),
    Column("den", Exact, nullable=False),
    Column("monthly", Boolean, nullable=False),
    Column("min_seconds", Exact, nullable=False),
    Column("valid_from", Exact, nullable=False),
    Column("source", Text, nullable=False),
    Column("fetched_at", Exact, nullable=False),
    Column("recorded_at", Exact, nullable=False),
    key("prices"),
    of("prices", "course", "courses"),
    CheckConstraint("book IN ('charge', 'cost')", name="ck_prices_book"),
    CheckConstraint(
        "component IN ('compute', 'disk', 'home', 'address')", name="ck_prices_component"
    ),
    CheckConstraint("num >= 0 AND den > 0 AND min_seconds >= 0", name="ck_prices_rate"),
)
Index(
    "ix_prices_what",
    prices.c.course,
    prices.c.provider,
    prices.c.region,
    prices.c.sku,
    prices.c.component,
    prices.c.book,
    prices.c.valid_from,
)

meters = Table(
    "meters",
    metadata,
    Column("id", NUMBER, nullable=False, autoincrement=True),
    Column("course", BigInteger, nullable=False),
    Column("resource", Text, nullable=False),
    Column("component", Text, nullable=False),
    Column("start", Text, nullable=False),
    Column("continues", BigInteger),
    Column("claim", Text),
    Column("person", Text),
    Column("payer", BigInteger, nullable=False),
    Column("hold", Text),
    Column("quantity", Exact, nullable=False),
    Column("charge_price", BigInteger, nullable=False),
    Column("cost_price", BigInteger, nullable=False),
    Column("opened_at", Exact, nullable=False),
    Column("opened_by", Text, nullable=False),
    Column("charge_from", Exact, nullable=False),
    Column("cost_from", Exact, nullable=False),
    Column("closed_at", Exact),
    Column("close_reason", Text),
    Column("metered_to", Exact, nullable=False),
    Column("charged", Exact, nullable=False),
    Column("cost", Exact, nullable=False),
    key("meters"),
    of("meters", "course", "courses"),
    of("meters", "continues", "meters"),
    of("meters", "person", "people"),
    of("meters", "payer", "accounts"),
    ForeignKeyConstraint(["charge_price"], ["prices.id"], name="fk_meters_charge_price_prices"),
    ForeignKeyConstraint(["cost_price"], ["prices.id"], name="fk_meters_cost_price_prices"),
    CheckConstraint("quantity > 0", name="ck_meters_quantity"),
    CheckConstraint("closed_at IS NULL OR closed_at >= opened_at", name="ck_meters_closed"),
    CheckConstraint("metered_to >= opened_at", name="ck_meters_metered"),
    CheckConstraint("charged >= 0 AND cost >= 0", name="ck_meters_amounts"),
)
unique(
    "ix_meters_open",
    meters.c.resource,
    meters.c.component,
    where=meters.c.closed_at.is_(None),
)
unique(
    "ix_meters_start",
    meters.c.resource,
    meters.c.component,
    meters.c.start,
    where=meters.c.continues.is_(None),
)
unique("ix_meters_continues", meters.c.continues)
Index("ix_meters_resource", meters.c.resource, meters.c.component)
Index("ix_meters_person", meters.c.person)
Index("ix_meters_payer", meters.c.payer)

holds = Table(
    "holds",
    metadata,
    Column("id", NUMBER, nullable=False, autoincrement=True),
    Column("account", BigInteger, nullable=False),
    Column("ref", Text, nullable=False),
    Column("placed", Exact, nullable=False),
    Column("remaining", Exact, nullable=False),
    Column("placed_at", Exact, nullable=False),
    Column("expires_at", Exact),
    Column("released_at", Exact),
    key("holds"),
    of("holds", "account", "accounts"),
    CheckConstraint("remaining >= 0 AND placed >= 0", name="ck_holds_remaining"),
)
unique("ix_holds_ref", holds.c.ref)
Index("ix_holds_account", holds.c.account)

sightings = Table(
    "sightings",
    metadata,
    Column("id", NUMBER, nullable=False, autoincrement=True),
    Column("resource", Text, nullable=False),
    Column("at", Exact, nullable=False),
    Column("source", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("raw", Json, nullable=False),
    key("sightings"),
    CheckConstraint("source IN ('hub', 'cloud', 'agent')", name="ck_sightings_source"),
)
Index("ix_sightings_resource", sightings.c.resource, sightings.c.at)

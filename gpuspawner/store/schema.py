"""The tables. `migrations/` makes them; a test holds the two together.

What is wanted and what was reported stand in `claims`, one row a claim. What must outlive a claim
(`home_tokens`, `home_grants`, `sessions`, `audit`, `starts`) has no foreign key to it; the rest goes with it.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from gpuspawner.store.columns import Json, UtcDateTime

metadata = MetaData()

# SQLite numbers rows by itself only in a column of exactly this type.
_NUMBER = BigInteger().with_variant(Integer(), "sqlite")


def _of_claim(table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["claim"], ["claims.name"], name=f"fk_{table}_claim_claims", ondelete="CASCADE"
    )


claims = Table(
    "claims",
    metadata,
    Column("name", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("user_name", Json, nullable=False),
    Column("server_name", Json, nullable=False),
    Column("specification", Json, nullable=False),
    Column("desired", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("desired_at", UtcDateTime, nullable=False),
    Column("reason", Text),
    Column("because", Json),
    Column("start_by", UtcDateTime),
    Column("port", Integer, nullable=False),
    Column("machine_id", Text),
    Column("reported", Text),
    Column("up_at", UtcDateTime),
    Column("saved_at", UtcDateTime),
    Column("heartbeat_at", UtcDateTime),
    PrimaryKeyConstraint("name", name="pk_claims"),
    CheckConstraint("desired IN ('running', 'stopped', 'deleted')", name="ck_claims_desired"),
    CheckConstraint("generation >= 0", name="ck_claims_generation"),
)

environments = Table(
    "environments",
    metadata,
    Column("claim", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("claim", name="pk_environments"),
    _of_claim("environments"),
)

intents = Table(
    "intents",
    metadata,
    Column("id", Text, nullable=False),
    Column("claim", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("region", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("size", Text, nullable=False),
    Column("image", Text, nullable=False),
    Column("disk_gib", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("state", Text, nullable=False),
    Column("machine_id", Text),
    Column("detail", Text),
    Column("settled_at", UtcDateTime),
    PrimaryKeyConstraint("id", name="pk_intents"),
    _of_claim("intents"),
    CheckConstraint(
        "state IN ('open', 'accepted', 'refused', 'abandoned')", name="ck_intents_state"
    ),
)
Index(
    "ix_intents_open",
    intents.c.claim,
    unique=True,
    sqlite_where=intents.c.state == "open",
    postgresql_where=intents.c.state == "open",
)
Index("ix_intents_claim", intents.c.claim)

keys = Table(
    "keys",
    metadata,
    Column("intent", Text, nullable=False),
    Column("key_hash", Text, nullable=False),
    Column("registered_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("intent", name="pk_keys"),
    ForeignKeyConstraint(
        ["intent"], ["intents.id"], name="fk_keys_intent_intents", ondelete="CASCADE"
    ),
)

home_tokens = Table(
    "home_tokens",
    metadata,
    Column("claim", Text, nullable=False),
    Column("token", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("claim", name="pk_home_tokens"),
)

home_grants = Table(
    "home_grants",
    metadata,
    Column("home", Text, nullable=False),
    Column("claim", Text, nullable=False),
    Column("granted_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("home", name="pk_home_grants"),
)

events = Table(
    "events",
    metadata,
    Column("id", _NUMBER, nullable=False, autoincrement=True),
    Column("claim", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("stage", Text, nullable=False),
    Column("sentence", Json, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("id", name="pk_events"),
    _of_claim("events"),
)
Index("ix_events_claim", events.c.claim, events.c.generation)

sessions = Table(
    "sessions",
    metadata,
    Column("claim", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("held_until", UtcDateTime),
    Column("lease_until", UtcDateTime),
    Column("extended_until", UtcDateTime),
    Column("warned", Json),
    Column("observed", Json),
    Column("day", UtcDateTime),
    Column("extensions", Integer, nullable=False),
    Column("restarts", Integer, nullable=False),
    Column("restarted_at", UtcDateTime),
    PrimaryKeyConstraint("claim", name="pk_sessions"),
    CheckConstraint("extensions >= 0 AND restarts >= 0", name="ck_sessions_counts"),
)

starts = Table(
    "starts",
    metadata,
    Column("id", _NUMBER, nullable=False, autoincrement=True),
    Column("size", Text, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("id", name="pk_starts"),
)
Index("ix_starts_at", starts.c.at)

benchmarks = Table(
    "benchmarks",
    metadata,
    Column("course", BigInteger, nullable=False),
    Column("person", Text, nullable=False),
    Column("measure", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("backend", Text, nullable=False),
    Column("scale", Text, nullable=False),
    Column("value", Float, nullable=False),
    Column("measured_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint(
        "course", "person", "measure", "kind", "device", "backend", "scale", name="pk_benchmarks"
    ),
    ForeignKeyConstraint(["course"], ["courses.id"], name="fk_benchmarks_course_courses"),
    ForeignKeyConstraint(["person"], ["people.id"], name="fk_benchmarks_person_people"),
    CheckConstraint("kind IN ('gpu', 'cpu')", name="ck_benchmarks_kind"),
    CheckConstraint("value > 0", name="ck_benchmarks_value"),
)
"""What students' own machines say that they measured: nothing here was seen by anybody else."""
Index("ix_benchmarks_class", benchmarks.c.course, benchmarks.c.backend, benchmarks.c.scale)

audit = Table(
    "audit",
    metadata,
    Column("id", _NUMBER, nullable=False, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("claim", Text, nullable=False),
    Column("generation", Integer),
    Column("reason", Text),
    Column("detail", Text, nullable=False),
    PrimaryKeyConstraint("id", name="pk_audit"),
)
Index("ix_audit_claim", audit.c.claim)

canary = Table(
    "canary",
    metadata,
    Column("id", Integer, nullable=False, autoincrement=False),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("id", name="pk_canary"),
)

"""From rows to the nouns of `gpuspawner.model`, and the two statements that SQL spells in dialects."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Table, literal, select
from sqlalchemy.dialects import postgresql, sqlite

from gpuspawner.language import Sentence
from gpuspawner.model import (
    Claim,
    Desired,
    Intent,
    IntentState,
    Owner,
    Placement,
    Reason,
    Specification,
)
from gpuspawner.store import schema


def claim_of(row: Row[Any]) -> Claim:
    """The claim that a row of `claims` holds."""
    return Claim(
        name=row.name,
        owner=Owner(row.user_id, row.user_name, row.server_name),
        specification=Specification.from_json(row.specification),
        desired=Desired(row.desired),
        generation=row.generation,
        desired_at=row.desired_at,
        reason=Reason(row.reason) if row.reason else None,
        because=Sentence.from_json(row.because) if row.because else None,
        start_by=row.start_by,
        port=row.port,
        machine_id=row.machine_id,
        up_at=row.up_at,
        saved_at=row.saved_at,
        heartbeat_at=row.heartbeat_at,
    )


def values_of(claim: Claim) -> dict[str, Any]:
    """The row of `claims` that holds `claim`."""
    return {
        "name": claim.name,
        "user_id": claim.owner.user_id,
        "user_name": claim.owner.user_name,
        "server_name": claim.owner.server_name,
        "specification": claim.specification.to_json(),
        "desired": claim.desired.value,
        "generation": claim.generation,
        "desired_at": claim.desired_at,
        "reason": claim.reason.value if claim.reason else None,
        "because": claim.because.to_json() if claim.because else None,
        "start_by": claim.start_by,
        "port": claim.port,
        "machine_id": claim.machine_id,
        "up_at": claim.up_at,
        "saved_at": claim.saved_at,
        "heartbeat_at": claim.heartbeat_at,
    }


def intent_of(row: Row[Any]) -> Intent:
    """The intent that a row of `intents` holds."""
    return Intent(
        id=row.id,
        claim=row.claim,
        generation=row.generation,
        placement=Placement(row.region, row.zone, row.size),
        image=row.image,
        disk_gib=row.disk_gib,
        created_at=row.created_at,
        state=IntentState(row.state),
        machine_id=row.machine_id,
    )


def locked(c: Connection, name: str) -> Row[Any] | None:
    """The row of claim `name`, which nobody else can change before this transaction ends.

    Everything that depends on a claim's wish takes this lock first, so two such transactions run
    one after the other. SQLite has locked the whole database already.
    """
    claims = schema.claims
    return c.execute(select(claims).where(claims.c.name == name).with_for_update()).one_or_none()


def insert_if_absent(c: Connection, table: Table, **values: Any) -> bool:
    """Insert a row unless one with its key is there. Whether it was inserted."""
    made: Any
    if c.dialect.name == "sqlite":
        made = sqlite.insert(table).values(values).on_conflict_do_nothing()
    else:
        made = postgresql.insert(table).values(values).on_conflict_do_nothing()
    # The drivers count rows of such an insert differently; what it returns, they agree on.
    return c.execute(made.returning(literal(1))).first() is not None


def replace(c: Connection, table: Table, key: str, **values: Any) -> None:
    """Insert a row, or put `values` in place of those of the row with its key."""
    rest = {name: value for name, value in values.items() if name != key}
    statement: Any
    if c.dialect.name == "sqlite":
        statement = sqlite.insert(table).values(values)
    else:
        statement = postgresql.insert(table).values(values)
    c.execute(statement.on_conflict_do_update(index_elements=[table.c[key]], set_=rest))

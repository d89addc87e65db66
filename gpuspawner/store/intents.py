"""Attempts to create a machine: committed before the request is sent, settled when it is answered."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from gpuspawner.errors import ClaimNotFound, GenerationMismatch
from gpuspawner.model import Claim, Desired, Intent, IntentState, Machine, Placement
from gpuspawner.store import schema
from gpuspawner.store.columns import plain
from gpuspawner.store.rows import insert_if_absent, intent_of, locked


def open_intent(
    c: Connection,
    claim: str,
    generation: int | None,
    placement: Placement,
    image: str,
    disk_gib: int,
    now: datetime,
) -> Intent:
    """Open an attempt. Its id is new, and is the cloud's idempotency token.

    Raises:
        ClaimNotFound: there is no such claim.
        GenerationMismatch: it does not want to run in `generation`, or has an open attempt already.
    """
    row = locked(c, claim)
    if row is None:
        raise ClaimNotFound(claim)
    if row.generation != generation or row.desired != Desired.RUNNING.value:
        raise GenerationMismatch(
            f"{claim} is {row.desired} in generation {row.generation}, not running in {generation}"
        )
    if _open_of(c, claim):
        raise GenerationMismatch(f"{claim} has an open intent already")
    intent = Intent(str(uuid.uuid4()), claim, row.generation, placement, image, disk_gib, now)
    c.execute(insert(schema.intents).values(_values(intent)))
    return intent


def accept_intent(c: Connection, intent_id: str, machine_id: str, now: datetime) -> None:
    """The machine of this attempt exists: the claim names it from now on. May be repeated.

    An attempt that was given up is accepted all the same: the machine is there and must have an
    owner. The wish is not looked at, so a machine made for a wish that has ended is named and can
    be stopped.

    Raises:
        ClaimNotFound: there is no such attempt.
    """
    row = _settle(c, intent_id)
    table = schema.intents
    c.execute(
        update(table)
        .where(table.c.id == intent_id)
        .values(state=IntentState.ACCEPTED.value, machine_id=machine_id, settled_at=now)
    )
    set_machine(c, row.claim, machine_id)


def refuse_intent(c: Connection, intent_id: str, detail: str, now: datetime) -> bool:
    """The cloud said no, and nothing was made. False when the attempt was settled already.

    `detail` is the cloud's own text, for the admin.
    """
    return _close(c, intent_id, IntentState.REFUSED, detail, now)


def abandon_intent(c: Connection, intent_id: str, now: datetime) -> bool:
    """The attempt came to nothing, or is not needed. False when it was settled already."""
    return _close(c, intent_id, IntentState.ABANDONED, "", now)


def open_intents(c: Connection) -> list[Intent]:
    """All attempts that are not settled, oldest first."""
    table = schema.intents
    query = select(table).where(table.c.state == IntentState.OPEN.value)
    return [intent_of(row) for row in c.execute(query.order_by(table.c.created_at, table.c.id))]


def get_intent(c: Connection, intent_id: str) -> Intent | None:
    """The attempt of that id, settled or not; None when there is none."""
    table = schema.intents
    row = c.execute(select(table).where(table.c.id == intent_id)).one_or_none()
    return intent_of(row) if row else None


def set_machine(c: Connection, name: str, machine_id: str | None) -> None:
    """The claim names this machine (or none) from now on. An unknown claim is ignored."""
    claims = schema.claims
    c.execute(
        update(claims)
        .where(claims.c.name == name, claims.c.machine_id.is_distinct_from(machine_id))
        .values(machine_id=machine_id)
    )


def name_machine(c: Connection, claim: Claim, machine: Machine, now: datetime) -> None:
    """The claim names a machine that the cloud lists, and the machine's attempt is known again.

    With the attempt, the agent on the machine can show its ticket and key again. An attempt that
    was lost with the database is made up from what the machine's tags say.
    """
    set_machine(c, claim.name, machine.id)
    if machine.intent is None:
        return
    made = Intent(
        machine.intent,
        claim.name,
        claim.generation,
        machine.placement,
        machine.image,
        claim.specification.disk_gib,
        machine.created_at,
        IntentState.ACCEPTED,
        machine.id,
    )
    if not insert_if_absent(c, schema.intents, **_values(made), settled_at=now):
        known = get_intent(c, machine.intent)
        # A tag that names another claim's attempt is not believed.
        if known and known.claim == claim.name:
            accept_intent(c, machine.intent, machine.id, now)


def _close(c: Connection, intent_id: str, state: IntentState, detail: str, now: datetime) -> bool:
    table = schema.intents
    _settle(c, intent_id)
    changed = c.execute(
        update(table)
        .where(table.c.id == intent_id, table.c.state == IntentState.OPEN.value)
        .values(state=state.value, detail=plain(detail), settled_at=now)
    )
    return changed.rowcount == 1


def _settle(c: Connection, intent_id: str) -> Row[Any]:
    """The attempt's row, its claim locked first, as everywhere."""
    table = schema.intents
    query = select(table).where(table.c.id == intent_id)
    row = c.execute(query).one_or_none()
    if row is None or locked(c, row.claim) is None:
        raise ClaimNotFound(f"intent {intent_id}")
    return row


def _open_of(c: Connection, claim: str) -> bool:
    table = schema.intents
    is_open = table.c.state == IntentState.OPEN.value
    return c.execute(select(table.c.id).where(table.c.claim == claim, is_open)).first() is not None


def _values(intent: Intent) -> dict[str, Any]:
    return {
        "id": intent.id,
        "claim": intent.claim,
        "generation": intent.generation,
        "region": intent.placement.region,
        "zone": intent.placement.zone,
        "size": intent.placement.size,
        "image": intent.image,
        "disk_gib": intent.disk_gib,
        "created_at": intent.created_at,
        "state": intent.state.value,
        "machine_id": intent.machine_id,
    }

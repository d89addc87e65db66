"""What machines say of themselves. It moves decisions within limits, and never costs money.

A report counts for the generation it names only: what an older session's agent still says of the
newer one is not true of it.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, or_, select, update

from gpuspawner.errors import ClaimNotFound, KeyConflict, TicketExpired
from gpuspawner.language import _, say
from gpuspawner.model import Desired, IntentState, Reason
from gpuspawner.store import schema
from gpuspawner.store.claims import end
from gpuspawner.store.columns import UtcDateTime
from gpuspawner.store.database import QUIET
from gpuspawner.store.events import audit, record_start
from gpuspawner.store.rows import insert_if_absent, locked

STAGES = ("boot", "home", "server", "up", "failed", "saved")
"""What an agent may report."""

_FORGOTTEN = 10_000
"""So many starts of one claim a lost database may have counted."""

_BOOT_FAILED = say(
    _(
        "The machine's system did not come up, so it is switched off and nothing more is charged. "
        "Your files are kept. Try again; if it happens again, tell your administrator."
    )
)
_SERVER_FAILED = say(
    _(
        "JupyterLab did not start or ended again and again, so the machine is switched off. "
        "Your files are kept. Try again; if it happens again, tell your administrator."
    )
)


def register(c: Connection, intent_id: str, key_hash: str, now: datetime) -> str:
    """Take a machine's key. The same pair again is fine at any time. Returns the claim's name.

    The caller has checked the ticket's signature (`Identity.intent_of`).

    Raises:
        ClaimNotFound: there is no such attempt.
        TicketExpired: the first use comes after the start has ended or its `start_by` has passed.
        KeyConflict: another key is registered.
    """
    intents, keys = schema.intents, schema.keys
    claim = c.execute(select(intents.c.claim).where(intents.c.id == intent_id)).scalar_one_or_none()
    row = locked(c, claim) if claim else None
    if row is None:
        raise ClaimNotFound(f"intent {intent_id}")
    known = c.execute(
        select(keys.c.key_hash).where(keys.c.intent == intent_id)
    ).scalar_one_or_none()
    if known is None:
        if not _starts(row, now):
            raise TicketExpired(f"intent {intent_id} of {row.name}")
        insert_if_absent(c, keys, intent=intent_id, key_hash=key_hash, registered_at=now)
        audit(c, now, "agent", "registered", row.name, row.generation, detail=intent_id)
    elif not hmac.compare_digest(known.encode(), key_hash.encode()):
        raise KeyConflict(f"intent {intent_id} of {row.name}")
    return str(row.name)


def verify(c: Connection, intent_id: str, key_hash: str) -> str | None:
    """The claim that a machine speaks for: None for a wrong key, or a machine it does not name.

    A machine may speak while its attempt is open, and as long as the claim names it. A second
    machine of the same claim may not.
    """
    intents, keys, claims = schema.intents, schema.keys, schema.claims
    ours = or_(
        intents.c.state == IntentState.OPEN.value, intents.c.machine_id == claims.c.machine_id
    )
    row = c.execute(
        select(claims.c.name, keys.c.key_hash)
        .select_from(keys.join(intents, keys.c.intent == intents.c.id))
        .join(claims, intents.c.claim == claims.c.name)
        .where(keys.c.intent == intent_id, ours)
    ).one_or_none()
    if row is None or not hmac.compare_digest(row.key_hash.encode(), key_hash.encode()):
        return None
    return str(row.name)


def recall(c: Connection, intent_id: str, key_hash: str, now: datetime) -> bool:
    """Take back a key that was lost with the database. False when there is nothing to take it for.

    The caller has checked our signature over both (`Identity.machine_id`), which only a machine
    that had registered can show. A key that is registered is never replaced.
    """
    intents, keys = schema.intents, schema.keys
    row = c.execute(
        select(intents.c.claim, intents.c.state).where(intents.c.id == intent_id)
    ).one_or_none()
    if row is None or row.state != IntentState.ACCEPTED.value:
        return False
    taken = insert_if_absent(c, keys, intent=intent_id, key_hash=key_hash, registered_at=now)
    if taken:
        audit(c, now, "agent", "recalled", row.claim, detail=intent_id)
    return taken


def catch_up(c: Connection, claim_name: str, generation: int, now: datetime) -> bool:
    """An adopted claim takes the generation that its machine was told by a database that is lost.

    Only forwards, and by no more than `_FORGOTTEN`, so that a machine cannot use the numbers up.
    """
    row = locked(c, claim_name)
    if row is None or row.reason != Reason.ADOPTED.value or row.desired != Desired.RUNNING.value:
        return False
    if not row.generation < generation <= row.generation + _FORGOTTEN:
        return False
    claims = schema.claims
    c.execute(update(claims).where(claims.c.name == claim_name).values(generation=generation))
    audit(c, now, "agent", "caught up", claim_name, generation, Reason.ADOPTED)
    return True


def report(
    c: Connection, claim_name: str, generation: int, stage: str, detail: str, now: datetime
) -> bool:
    """Take an agent's report. False, and nothing is written, when it is stale.

    `up` makes a running wish up. `failed` ends it: as a server's failure once the server was begun,
    as a boot's before. `saved` counts once the wish has ended, so that no machine can give away
    the time that a later stop leaves it to save. `detail` is the end of the log, for the admin.

    Raises:
        ValueError: `stage` is none of `STAGES`.
    """
    if stage not in STAGES:
        raise ValueError(f"an agent cannot report {stage!r}")
    row = locked(c, claim_name)
    runs = row is not None and row.desired == Desired.RUNNING.value
    if row is None or row.generation != generation or runs == (stage == "saved"):
        return False
    if stage == "failed":
        began = row.reported in ("server", "up")
        reason = Reason.SERVER_FAILED if began else Reason.BOOT_FAILED
        because = _SERVER_FAILED if began else _BOOT_FAILED
        end(c, claim_name, generation, reason, because, now, actor="agent", detail=detail)
        return True
    values: dict[str, Any] = {"saved_at": now} if stage == "saved" else {"reported": stage}
    if stage == "up" and row.up_at is None:
        values["up_at"] = now
        size = _size(c, row)
        if size:
            record_start(c, size, (now - row.desired_at).total_seconds(), now)
    c.execute(update(schema.claims).where(schema.claims.c.name == claim_name).values(values))
    return True


def heartbeats(c: Connection, beats: Iterable[tuple[str, int, datetime]]) -> None:
    """Note heartbeats, each (claim, generation, when it came). Those of an older generation are not.

    One of a later generation than we know of is a sign of life, and of a database from a backup.

    One transaction for all that came in a second or two: a transaction is written through to the
    disk, and a thousand machines must not cost a thousand of them. They wake no loop.
    """
    claims = schema.claims
    # In one order everywhere, so that two batches cannot wait for each other.
    found = [
        {"claim": claim, "of": generation, "at": at} for claim, generation, at in sorted(beats)
    ]
    if not found:
        return
    at = bindparam("at", type_=UtcDateTime())
    c.execute(
        update(claims)
        .where(
            claims.c.name == bindparam("claim"),
            claims.c.generation <= bindparam("of"),
            or_(claims.c.heartbeat_at.is_(None), claims.c.heartbeat_at < at),
        )
        .values(heartbeat_at=at)
        .execution_options(**{QUIET: True}),
        found,
    )


def heartbeat(c: Connection, claim_name: str, generation: int, now: datetime) -> None:
    """Note one heartbeat; prefer `heartbeats`, which writes many at once."""
    heartbeats(c, [(claim_name, generation, now)])


def _starts(row: Row[Any], now: datetime) -> bool:
    in_time: bool = row.start_by is None or now < row.start_by
    return in_time and bool(row.desired == Desired.RUNNING.value)


def _size(c: Connection, row: Row[Any]) -> str | None:
    """The size the claim's machine was made in: a resize keeps the attempt, and is rare."""
    intents = schema.intents
    return c.execute(
        select(intents.c.size).where(
            intents.c.machine_id == row.machine_id, intents.c.claim == row.name
        )
    ).scalar()

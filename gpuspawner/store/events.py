"""What has happened: the progress of each start for people, and a log of wishes for the admin."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, delete, insert, select

from gpuspawner.language import Sentence
from gpuspawner.model import Reason, Stage
from gpuspawner.store import schema
from gpuspawner.store.columns import plain
from gpuspawner.views import Progress

_AT_ONCE = 1000
"""So many names in one query: both databases limit how many values a statement may have."""


@dataclass(frozen=True, slots=True)
class AuditLine:
    """Who wished what of which claim, when and why. `actor` is never a person's name."""

    at: datetime
    actor: str
    action: str
    claim: str
    generation: int | None
    reason: Reason | None
    detail: str


def record(
    c: Connection,
    claim: str,
    generation: int | None,
    stage: Stage,
    sentence: Sentence,
    now: datetime,
) -> bool:
    """Note that `stage` was seen, in words for people. Whether anything was written.

    The same stage and sentence twice in a row are noted once. A claim that has been forgotten, or
    a `generation` of None, has no history to write to.
    """
    events = schema.events
    last = c.execute(
        select(events.c.stage, events.c.sentence)
        .where(events.c.claim == claim, events.c.generation == generation)
        .order_by(events.c.id.desc())
        .limit(1)
    ).one_or_none()
    if last is not None and (last.stage, last.sentence) == (stage.value, sentence.to_json()):
        return False
    # The lock keeps the claim from being forgotten before the line below is written.
    known = select(schema.claims.c.name).where(schema.claims.c.name == claim)
    if (
        generation is None
        or not c.execute(known.with_for_update(read=True, key_share=True)).first()
    ):
        return False
    c.execute(
        insert(events).values(
            claim=claim,
            generation=generation,
            stage=stage.value,
            sentence=sentence.to_json(),
            at=now,
        )
    )
    return True


def history(c: Connection, claim: str, generation: int) -> tuple[Progress, ...]:
    """What was noted of one generation, oldest first."""
    events = schema.events
    rows = c.execute(
        select(events)
        .where(events.c.claim == claim, events.c.generation == generation)
        .order_by(events.c.id)
    )
    return tuple(_progress(row) for row in rows)


def histories(c: Connection) -> dict[str, tuple[Progress, ...]]:
    """What was noted of the present generation of every claim that has any, oldest first."""
    return _by_claim(c, select(schema.events))


def histories_of(c: Connection, names: Collection[str]) -> dict[str, tuple[Progress, ...]]:
    """As `histories`, of the claims named."""
    listed, found = list(names), dict[str, tuple[Progress, ...]]()
    for at in range(0, len(listed), _AT_ONCE):
        some = schema.events.c.claim.in_(listed[at : at + _AT_ONCE])
        found |= _by_claim(c, select(schema.events).where(some))
    return found


def record_start(c: Connection, size: str, seconds: float, now: datetime) -> None:
    """Note that a start of `size` took `seconds` from the wish until the server was up."""
    c.execute(insert(schema.starts).values(size=size, seconds=seconds, at=now))


def start_durations(c: Connection, since: datetime) -> dict[str, list[float]]:
    """How long the starts since `since` took until up, in seconds, oldest first, by size."""
    starts = schema.starts
    found: dict[str, list[float]] = defaultdict(list)
    rows = c.execute(select(starts).where(starts.c.at >= since).order_by(starts.c.at, starts.c.id))
    for row in rows:
        found[row.size].append(row.seconds)
    return dict(found)


def audit(
    c: Connection,
    now: datetime,
    actor: str,
    action: str,
    claim: str,
    generation: int | None = None,
    reason: Reason | None = None,
    detail: str = "",
) -> None:
    """Write a line of the log of wishes, in the transaction of the wish itself.

    `actor` is a role ("hub", "controller", "agent") or a hub user's id, never a name, so that a
    person's name can be erased while the log stays.
    """
    c.execute(
        insert(schema.audit).values(
            at=now,
            actor=plain(actor),
            action=action,
            claim=claim,
            generation=generation,
            reason=reason.value if reason else None,
            detail=plain(detail),
        )
    )


def audit_lines(c: Connection, claim: str | None = None, limit: int = 100) -> list[AuditLine]:
    """The newest `limit` lines of the log, newest first; of one claim when it is named."""
    log = schema.audit
    query = select(log).order_by(log.c.id.desc()).limit(limit)
    rows = c.execute(query.where(log.c.claim == claim) if claim else query)
    return [
        AuditLine(
            row.at,
            row.actor,
            row.action,
            row.claim,
            row.generation,
            Reason(row.reason) if row.reason else None,
            row.detail,
        )
        for row in rows
    ]


def prune(c: Connection, before: datetime) -> int:
    """Drop progress and start times older than `before`. The log of wishes stays.

    Returns how many rows were dropped. The log is also what keeps a forgotten claim's generation.
    """
    return sum(
        c.execute(delete(table).where(table.c.at < before)).rowcount
        for table in (schema.events, schema.starts)
    )


def _by_claim(c: Connection, query: Select[Any]) -> dict[str, tuple[Progress, ...]]:
    events, claims = schema.events, schema.claims
    present = and_(events.c.claim == claims.c.name, events.c.generation == claims.c.generation)
    found: dict[str, list[Progress]] = defaultdict(list)
    for row in c.execute(query.join(claims, present).order_by(events.c.id)):
        found[row.claim].append(_progress(row))
    return {claim: tuple(lines) for claim, lines in found.items()}


def _progress(row: Row[Any]) -> Progress:
    return Progress(row.at, Stage(row.stage), Sentence.from_json(row.sentence))

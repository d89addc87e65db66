"""Stop everything, and start nothing until that is lifted.

Whether it is in force is what the log of wishes says last: so it survives everything that the log
survives, and who did it and why is there by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from gpuspawner.language import Sentence, _, say
from gpuspawner.model import Claim, Desired, Reason
from gpuspawner.store import claims, schema
from gpuspawner.store.events import audit
from gpuspawner.store.ledger import schema as books

_STOP, _LIFT = "stop-everything", "lift-stop-everything"
_ALL = "*"
"""In the place of a claim's name, which it cannot be."""


@dataclass(frozen=True, slots=True)
class Brake:
    """Everything was stopped at `at` by `actor`, a role and never a name; `why` is their own words."""

    at: datetime
    actor: str
    why: str


def brake(c: Connection) -> Brake | None:
    """The stop that is in force; None when there is none."""
    log = schema.audit
    row = c.execute(
        select(log.c.action, log.c.at, log.c.actor, log.c.detail)
        .where(log.c.claim == _ALL)
        .order_by(log.c.id.desc())
        .limit(1)
    ).one_or_none()
    return Brake(row.at, row.actor, row.detail) if row and row.action == _STOP else None


@dataclass(frozen=True, slots=True)
class Pull:
    """Everything was stopped, or may be started again since (`lifted`); the rest as of `Brake`."""

    at: datetime
    actor: str
    why: str
    lifted: bool


def pulls(c: Connection) -> list[Pull]:
    """All that was done with it, the last first."""
    log = schema.audit
    rows = c.execute(
        select(log.c.action, log.c.at, log.c.actor, log.c.detail)
        .where(log.c.claim == _ALL)
        .order_by(log.c.id.desc())
    )
    return [Pull(row.at, row.actor, row.detail, row.action == _LIFT) for row in rows]


def let_start(c: Connection) -> Brake | None:
    """As `brake`, for who is about to write a wish to run: a stop of everything waits for it, or it for the stop."""
    # SQLite has one writer anyway.
    c.execute(select(books.courses.c.id).with_for_update(read=True)).all()
    return brake(c)


def stop_everything(c: Connection, why: str, now: datetime, *, actor: str) -> list[Claim]:
    """Wish that every claim stops, and refuse all starts from now on; those that were to run.

    May be repeated: it stops again what runs, and adds a line to the log.
    """
    c.execute(select(books.courses.c.id).with_for_update()).all()
    audit(c, now, actor, _STOP, _ALL, detail=why)
    return stop_what_runs(c, now, actor=actor)


def stop_what_runs(c: Connection, now: datetime, *, actor: str = "controller") -> list[Claim]:
    """Wish that every claim stops, for whatever reason there still is one that is to run."""
    running = [claim for claim in claims.all_claims(c) if claim.desired is Desired.RUNNING]
    return [
        claims.put_stopped(
            c, claim.name, None, Reason.EVERYTHING_STOPPED, stopped(), now, actor=actor
        )
        for claim in running
    ]


def lift(c: Connection, why: str, now: datetime, *, actor: str) -> bool:
    """Let machines be started again. False, and nothing is written, when nothing is in force."""
    c.execute(select(books.courses.c.id).with_for_update()).all()
    if brake(c) is None:
        return False
    audit(c, now, actor, _LIFT, _ALL, detail=why)
    return True


def stopped() -> Sentence:
    """What everybody reads whose machine was stopped by it."""
    return say(
        _(
            "Your administrator has stopped all machines. Your work was saved and your files are kept. "
            "Ask your teacher when you can start again."
        )
    )

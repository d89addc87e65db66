"""What a session was promised, and what of it must survive a restart of the controller.

One row a claim, of its last session. A promise (a hold, a lease, more time, a warning) is written
when it is made, since nobody may lose one. What machines say is in memory (`observations`) and is
written here once a minute, all machines in one transaction: a machine says again what it sees now,
but not that it worked half an hour ago. How much more time a student has had in a day, and how
often a stop was a mistake, outlive the session and the claim.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select
from sqlalchemy.dialects import postgresql, sqlite

from gpuspawner.errors import ClaimNotFound, GenerationMismatch
from gpuspawner.model import Claim, Desired, Reason
from gpuspawner.policy.observed import Observed
from gpuspawner.policy.session import Warned
from gpuspawner.store import schema
from gpuspawner.store.database import QUIET
from gpuspawner.store.events import audit
from gpuspawner.store.rows import claim_of, insert_if_absent, locked

MISTAKE = timedelta(minutes=10)
"""Who starts again so soon after a stop for idleness was not done: the stop was a mistake."""

_IDLE = frozenset({Reason.IDLE, Reason.NO_SHOW, Reason.WORK_DONE, Reason.UNATTENDED})


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of one session."""

    held_until: datetime | None = None
    lease_until: datetime | None = None
    extended_until: datetime | None = None
    warned: tuple[Warned, ...] = ()
    observed: Observed | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """Every claim that is to run, with what is kept of its session, by name.

    `given` is how much more time each student has had today, in clicks, and `mistaken` who was
    stopped by mistake today, both by the hub's id; `restarts` is how often that was, ever.
    """

    running: tuple[Claim, ...] = ()
    kept: Mapping[str, Kept] = field(default_factory=dict)
    given: Mapping[str, int] = field(default_factory=dict)
    mistaken: frozenset[str] = frozenset()
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """One claim that runs: what is kept of its session, and of its student's day."""

    claim: Claim
    kept: Kept
    given: int
    mistaken: bool


@dataclass(frozen=True, slots=True)
class Note:
    """What is to be kept of the session of a claim."""

    claim: Claim
    warned: tuple[Warned, ...] = ()
    observed: Observed | None = None


def begin(c: Connection, before: Row[Any], generation: int, now: datetime) -> None:
    """A session begins: nothing that the last one was promised counts. `before` is the claim's row."""
    sessions = schema.sessions
    stopped = before.desired == Desired.STOPPED.value and before.reason in _IDLE
    mistake = stopped and timedelta() <= now - before.desired_at <= MISTAKE
    _seed(c, before.name, before.user_id)
    values: dict[str, Any] = {
        "generation": generation, "user_id": before.user_id, "held_until": None,
        "lease_until": None, "extended_until": None, "warned": None, "observed": None,
    }  # fmt: skip
    if mistake:
        values |= {"restarts": sessions.c.restarts + 1, "restarted_at": now}
        audit(
            c, now, "controller", "stopped by mistake", before.name, before.generation,
            Reason(before.reason),
        )  # fmt: skip
    c.execute(sessions.update().where(sessions.c.claim == before.name).values(values))


def read(c: Connection, day: datetime) -> Reading:
    """Everything that is wanted now. `day` is when the day began by the clock of the class."""
    claims, sessions = schema.claims, schema.sessions
    wanted = select(claims).where(claims.c.desired == Desired.RUNNING.value).order_by("name")
    running = tuple(claim_of(row) for row in c.execute(wanted))
    generations = {claim.name: claim.generation for claim in running}
    kept, given, mistaken, restarts = dict[str, Kept](), dict[str, int](), set[str](), 0
    for row in c.execute(select(sessions)):
        restarts += row.restarts
        if row.day == day:
            given[row.user_id] = given.get(row.user_id, 0) + row.extensions
        if row.restarted_at and row.restarted_at >= day:
            mistaken.add(row.user_id)
        if generations.get(row.claim) == row.generation:
            kept[row.claim] = _kept(row)
    return Reading(running, kept, given, frozenset(mistaken), restarts)


def of_claim(c: Connection, name: str, generation: int | None, day: datetime) -> Standing:
    """How it stands with one claim, which cannot change before this transaction ends.

    Raises:
        ClaimNotFound: there is no such claim, or it is not to run.
        GenerationMismatch: it was started again since the caller looked.
    """
    sessions = schema.sessions
    row = locked(c, name)
    if row is None or row.desired != Desired.RUNNING.value:
        raise ClaimNotFound(name)
    if generation is not None and row.generation != generation:
        raise GenerationMismatch(f"{name} is in generation {row.generation}, not {generation}")
    claim = claim_of(row)
    theirs = select(sessions).where(sessions.c.user_id == claim.owner.user_id)
    rows = c.execute(theirs).all()
    found = [one for one in rows if (one.claim, one.generation) == (name, claim.generation)]
    return Standing(
        claim,
        _kept(found[0]) if found else Kept(),
        sum(one.extensions for one in rows if one.day == day),
        any(one.restarted_at and one.restarted_at >= day for one in rows),
    )


def extend(
    c: Connection, claim: Claim, until: datetime, day: datetime, now: datetime, *, actor: str
) -> None:
    """Write down that the session was given more time, as one click of `day`."""
    row = _current(c, claim)
    given = row.extensions if row.day == day else 0
    _promise(c, claim, extended_until=until, day=day, extensions=given + 1)
    audit(c, now, actor, "extended", claim.name, claim.generation, detail=until.isoformat())


def promise(
    c: Connection, claim: Claim, what: str, until: datetime | None, now: datetime, *, actor: str
) -> None:
    """Write down a `lease` or a `hold` until a moment, or that there is none."""
    column = {"lease": "lease_until", "hold": "held_until"}[what]
    _current(c, claim)
    _promise(c, claim, **{column: until})
    detail = until.isoformat() if until else "none"
    audit(c, now, actor, what, claim.name, claim.generation, detail=detail)


def note(c: Connection, notes: Iterable[Note]) -> None:
    """Keep what was seen and what was warned of, of many sessions in one statement. It wakes no loop."""
    sessions = schema.sessions
    found = [
        {
            "claim": one.claim.name, "user_id": one.claim.owner.user_id,
            "generation": one.claim.generation,
            "warned": [[warned.reason.value, warned.since.isoformat()] for warned in one.warned],
            "observed": one.observed.to_json() if one.observed else None,
            "extensions": 0, "restarts": 0,
        }
        for one in sorted(notes, key=lambda one: one.claim.name)
    ]  # fmt: skip
    if not found:
        return
    dialect: Any = sqlite if c.dialect.name == "sqlite" else postgresql
    made = dialect.insert(sessions)
    kept = made.on_conflict_do_update(
        index_elements=[sessions.c.claim],
        set_={name: made.excluded[name] for name in ("generation", "warned", "observed")},
        # A session that has begun since is not given what was seen of the one before.
        where=sessions.c.generation <= made.excluded.generation,
    )
    c.execute(kept.execution_options(**{QUIET: True}), found)


def _current(c: Connection, claim: Claim) -> Row[Any]:
    """The row of this session: one of another session is made this one's, without its promises."""
    sessions = schema.sessions
    _seed(c, claim.name, claim.owner.user_id)
    this = sessions.c.claim == claim.name
    c.execute(
        sessions.update()
        .where(this, sessions.c.generation != claim.generation)
        .values(
            generation=claim.generation, held_until=None, lease_until=None, extended_until=None,
            warned=None, observed=None,
        )
    )  # fmt: skip
    return c.execute(select(sessions).where(this)).one()


def _seed(c: Connection, name: str, user_id: str) -> None:
    insert_if_absent(
        c, schema.sessions, claim=name, user_id=user_id, generation=0, extensions=0, restarts=0
    )


def _promise(c: Connection, claim: Claim, **values: Any) -> None:
    sessions = schema.sessions
    c.execute(sessions.update().where(sessions.c.claim == claim.name).values(values))


def _kept(row: Row[Any]) -> Kept:
    return Kept(
        row.held_until,
        row.lease_until,
        row.extended_until,
        tuple(
            Warned(Reason(reason), datetime.fromisoformat(since))
            for reason, since in row.warned or ()
        ),
        Observed.from_json(row.observed) if row.observed else None,
    )

"""What students' machines say that they measured: of each student the newest of each measurement.

Nobody else has seen it, so it is good for comparing and for nothing more. It is kept under the
ledger's random id of a person, is in their export, and goes when they are erased.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from gpuspawner.model import Owner
from gpuspawner.policy.comparison import Measured, Middle, middles
from gpuspawner.policy.money import seconds_of
from gpuspawner.store import ledger, schema
from gpuspawner.store.database import QUIET

MOST: Final = 200
"""So many measurements are kept of one person: every size and framework of a course, and then some."""


@dataclass(frozen=True, slots=True)
class Told:
    """The figures of one run, as its machine tells them.

    Attributes:
        backend: the framework that computed.
        scale: how large the run was; figures of different scales are not compared.
        measured_at: by the machine's clock.
        figures: each measurement once.
    """

    backend: str
    scale: str
    measured_at: datetime
    figures: Sequence[tuple[Measured, float]]


def keep(c: Connection, owner: Owner, told: Told, now: datetime) -> None:
    """Keep the figures of the owner's, each in place of an older one. May be repeated.

    What is from the future is from now, so that no clock keeps a figure for ever. Whatever is more
    than `MOST` is forgotten, the oldest first. It wakes nobody.
    """
    table = schema.benchmarks
    person = ledger.person_for(c, owner.user_id, owner.user_name, now=seconds_of(now)).id
    course = ledger.course(c).id
    at = min(told.measured_at, now)
    rows = [
        {
            "course": course, "person": person, "measure": what.measure, "kind": what.kind,
            "device": what.device, "backend": told.backend, "scale": told.scale, "value": value,
            "measured_at": at,
        }
        for what, value in sorted(told.figures)
    ]  # fmt: skip
    if not rows:
        return
    dialect: Any = sqlite if c.dialect.name == "sqlite" else postgresql
    made = dialect.insert(table)
    kept = made.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={name: made.excluded[name] for name in ("value", "measured_at")},
        where=table.c.measured_at <= made.excluded.measured_at,
    )
    c.execute(kept.execution_options(**{QUIET: True}), rows)
    mine = (table.c.course == course, table.c.person == person)
    newest = select(table.c.measured_at).where(*mine).order_by(table.c.measured_at.desc())
    first_too_many = c.execute(newest.offset(MOST).limit(1)).scalar_one_or_none()
    if first_too_many is not None:
        old = delete(table).where(*mine, table.c.measured_at <= first_too_many)
        c.execute(old.execution_options(**{QUIET: True}))


def compared(c: Connection, backend: str, scale: str) -> list[Middle]:
    """The medians of the class, of runs of that scale with that framework."""
    table = schema.benchmarks
    rows = c.execute(
        select(table.c.measure, table.c.kind, table.c.device, table.c.value).where(
            table.c.course == ledger.course(c).id,
            table.c.backend == backend,
            table.c.scale == scale,
        )
    )
    return middles((Measured(row.measure, row.kind, row.device), row.value) for row in rows)

"""What was seen of a resource, and who said so: the grounds on which meters were opened and closed."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from gpuspawner.store.columns import plain
from gpuspawner.store.ledger import usage


class Source(str, enum.Enum):
    """Who says what a resource does. Only the hub's own calls and the cloud alter money."""

    HUB = "hub"
    CLOUD = "cloud"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Sighting:
    """A resource was in this state at this time. `raw` is the cloud's own words, without names."""

    resource: str
    at: int
    source: Source
    state: str
    raw: Mapping[str, Any]


def saw(c: Connection, sighting: Sighting) -> bool:
    """Write it down if it is news: another state than the last that this source has told.

    Whether it was written. A source's older news that comes late is not.
    """
    table = usage.sightings
    last = c.execute(
        select(table.c.at, table.c.state)
        .where(table.c.resource == sighting.resource, table.c.source == sighting.source.value)
        .order_by(table.c.at.desc(), table.c.id.desc())
        .limit(1)
    ).one_or_none()
    if last is not None and (last.state == sighting.state or sighting.at < last.at):
        return False
    c.execute(
        insert(table).values(
            resource=sighting.resource,
            at=sighting.at,
            source=sighting.source.value,
            state=plain(sighting.state),
            raw=dict(sighting.raw),
        )
    )
    return True


def sightings(c: Connection, resource: str) -> list[Sighting]:
    """What was seen of a resource, in the order in which it was."""
    table = usage.sightings
    rows = c.execute(
        select(table).where(table.c.resource == resource).order_by(table.c.at, table.c.id)
    )
    return [Sighting(row.resource, row.at, Source(row.source), row.state, row.raw) for row in rows]

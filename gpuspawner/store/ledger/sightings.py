"""What was seen of a resource, and who said so: the grounds on which meters were opened and closed."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from gpuspawner.store.bulk import insert_rows
from gpuspawner.store.columns import plain
from gpuspawner.store.ledger import usage
from gpuspawner.store.ledger.rows import portions


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
    return saw_all(c, [sighting]) == 1


def saw_all(c: Connection, some: Sequence[Sighting]) -> int:
    """As `saw`, of several in their order; how many were news."""
    last, news = _last(c, {one.resource for one in some}), list[Sighting]()
    for one in some:
        at, state = last.get((one.resource, one.source), (one.at, None))
        if state != one.state and at <= one.at:
            last[one.resource, one.source] = (one.at, one.state)
            news.append(one)
    insert_rows(c, usage.sightings, [_values(one) for one in news])
    return len(news)


def _last(
    c: Connection, resources: Collection[str]
) -> dict[tuple[str, Source], tuple[int, str | None]]:
    """When each source last told something of each resource, and what."""
    table = usage.sightings
    found: dict[tuple[str, Source], tuple[int, str | None]] = {}
    for names in portions(resources):
        newest = (
            func.row_number()
            .over(
                partition_by=(table.c.resource, table.c.source),
                order_by=(table.c.at.desc(), table.c.id.desc()),
            )
            .label("newest")
        )
        told = select(
            table.c.resource, table.c.source, table.c.at, table.c.state, newest
        ).where(table.c.resource.in_(names))  # fmt: skip
        rows = told.subquery()
        for row in c.execute(select(rows).where(rows.c.newest == 1)):
            found[row.resource, Source(row.source)] = (row.at, row.state)
    return found


def _values(sighting: Sighting) -> dict[str, Any]:
    return {
        "resource": sighting.resource, "at": sighting.at, "source": sighting.source.value,
        "state": plain(sighting.state), "raw": dict(sighting.raw),
    }  # fmt: skip


def sightings(c: Connection, resource: str) -> list[Sighting]:
    """What was seen of a resource, in the order in which it was."""
    table = usage.sightings
    rows = c.execute(
        select(table).where(table.c.resource == resource).order_by(table.c.at, table.c.id)
    )
    return [Sighting(row.resource, row.at, Source(row.source), row.state, row.raw) for row in rows]

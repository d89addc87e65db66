"""What a clock has written that was ahead, and has been set back since."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, or_, select, update

from gpuspawner.store import schema


def settle(c: Connection, now: datetime) -> int:
    """Let no wish have been written, and no machine have been heard, later than now.

    A wish keeps the time that it was given to start. Returns how many claims were changed.
    """
    claims = schema.claims
    ahead = select(claims).where(or_(claims.c.desired_at > now, claims.c.heartbeat_at > now))
    rows = c.execute(ahead.with_for_update()).all()
    for row in rows:
        values: dict[str, Any] = {}
        if row.desired_at > now:
            values["desired_at"] = now
            values["start_by"] = row.start_by and row.start_by - (row.desired_at - now)
        if row.heartbeat_at and row.heartbeat_at > now:
            values["heartbeat_at"] = now
        c.execute(update(claims).where(claims.c.name == row.name).values(values))
    return len(rows)

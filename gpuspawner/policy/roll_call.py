"""Running wishes whose server the hub does not have: its database was lost, or is a backup.

Nobody can reach such a server: the hub has forgotten its route and its tokens. So the session is
ended like any other, saved first and with a reason. One answer proves nothing (a hub that has just
started may be counting still), so several in a row over a while must agree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from gpuspawner.model import Claim, Desired
from gpuspawner.policy.absence import Absence

LOOKS = 3
"""So many complete answers in a row must not name a server."""

Missing = Mapping[tuple[str, int], Absence]
"""By claim and generation: a new wish is a new question."""


def call(
    before: Missing, claims: Iterable[Claim], present: Collection[str], now: datetime
) -> dict[tuple[str, int], Absence]:
    """Who is missing after one more complete answer of the hub.

    Args:
        before: what the last call returned.
        claims: all of them.
        present: the claims' names of the servers that the hub has.
        now: when it was asked.
    """
    missing = {}
    for claim in claims:
        if claim.desired is not Desired.RUNNING or claim.name in present:
            continue
        key = claim.name, claim.generation
        earlier = before.get(key)
        missing[key] = Absence(earlier.since, earlier.listings + 1) if earlier else Absence(now, 1)
    return missing


def forgotten(missing: Missing, now: datetime, grace: timedelta) -> list[tuple[str, int]]:
    """The claims, with their generation, that have been missing for long enough."""
    return [
        key
        for key, absence in missing.items()
        if absence.listings >= LOOKS and now - absence.since >= grace
    ]

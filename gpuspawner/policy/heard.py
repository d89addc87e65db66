"""Whether the machine of a claim lives, by what it says itself and by what the listings do not show."""

from __future__ import annotations

from datetime import datetime, timedelta

from gpuspawner.model import Claim, Machine, Power
from gpuspawner.policy.absence import Absence
from gpuspawner.policy.steps import Limits


def heard(claim: Claim, now: datetime, within: timedelta) -> bool:
    """Whether the machine has spoken in this session, and no longer ago than `within`."""
    beat = claim.heartbeat_at
    return beat is not None and now - beat < within


def off_is_believed_at(claim: Claim, machine: Machine, now: datetime, limits: Limits) -> datetime:
    """When a machine that is listed as off is taken to be off; a moment that is over is now.

    A listing lags. Soon after a start it may still show how the machine was off before, and to
    believe it would stop a machine that somebody works on. So it is believed when it knows of this
    session's start, or when the machine has been silent for a while. What is being deleted never
    runs again.
    """
    of_this_session = (
        machine.powered_at is not None and claim.desired_at <= machine.powered_at <= now
    )
    beat = claim.heartbeat_at
    if beat is None or of_this_session or machine.power is Power.DELETING:
        return now
    return beat + limits.heard


def gone(absence: Absence | None, claim: Claim, now: datetime, limits: Limits) -> bool:
    """Whether nothing is left of the machine: it was missed long and often enough, and is silent."""
    if absence is None:
        return True
    return (
        now - absence.since >= limits.absent_for
        and absence.listings >= limits.absent_listings
        and not heard(claim, now, limits.heartbeat_fresh)
    )

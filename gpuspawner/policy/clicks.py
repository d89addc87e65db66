"""What a click on *Keep running* or on *Go on until my work is done* gives. Pure.

A click is answered by the rule itself: what is told is when it stops with the click, and a click
that gains nothing, as against the nightly stop, is refused and costs none of the day's.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from gpuspawner.policy.idle import Kind, decide
from gpuspawner.policy.session import Grant, Policy, Session, extended, leased


def keep(policy: Policy, session: Session, given_today: int, now: datetime) -> tuple[Grant, Grant]:
    """*Keep running*: until when the session is held by it, and when it then stops.

    Args:
        policy: the admin's limits.
        session: what is known of it.
        given_today: how many such clicks the student has had in this day of the class.
        now: when it was clicked.

    Returns:
        The grant to write down, and the one to answer with. Neither has a time when it is refused.
    """
    before = decide(policy, session, now)
    grant = extended(policy.session, given_today, before.at or now, now)
    if grant.until is None:
        return grant, grant
    after = decide(policy, replace(session, extended_until=grant.until), now)
    if before.at is not None and after.at is not None and after.at <= before.at:
        refused = Grant(None, after.because)
        return refused, refused
    return grant, Grant(after.at or grant.until, grant.because)


def lease(policy: Policy, session: Session, now: datetime) -> tuple[Grant, Grant]:
    """*Go on until my work is done*: as `keep`; what does not work is not held by it."""
    grant = leased(policy.session, now)
    if grant.until is None:
        return grant, grant
    after = decide(policy, replace(session, lease_until=grant.until), now)
    shown = after.at if after.kind is not Kind.KEEP or after.at else grant.until
    return grant, Grant(shown, grant.because)

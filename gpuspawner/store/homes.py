"""What must be remembered of homes. Both outlive the claim: a home outlives everything."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import Connection, delete, select

from gpuspawner.store import schema
from gpuspawner.store.events import audit
from gpuspawner.store.rows import insert_if_absent, replace


def home_token(c: Connection, claim: str, now: datetime) -> str:
    """The idempotency token for creating the claim's home: the same until `renew_home_token`."""
    tokens = schema.home_tokens
    insert_if_absent(c, tokens, claim=claim, token=str(uuid.uuid4()), created_at=now)
    return str(c.execute(select(tokens.c.token).where(tokens.c.claim == claim)).scalar_one())


def renew_home_token(c: Connection, claim: str, now: datetime) -> str:
    """A new token, once an admin has deleted the home: the old one would ask for the dead volume."""
    token = str(uuid.uuid4())
    replace(c, schema.home_tokens, "claim", claim=claim, token=token, created_at=now)
    return token


def give_home(
    c: Connection, home_id: str, claim: str, now: datetime, *, actor: str = "admin"
) -> None:
    """An admin hands a home to a claim, whatever the home's own tags say."""
    replace(c, schema.home_grants, "home", home=home_id, claim=claim, granted_at=now)
    audit(c, now, actor, "home given", claim, detail=home_id)


def take_home_back(c: Connection, home_id: str, now: datetime, *, actor: str = "admin") -> None:
    """Undo `give_home`: from now on the home's own tags count again. May be repeated."""
    grants = schema.home_grants
    claim = c.execute(select(grants.c.claim).where(grants.c.home == home_id)).scalar_one_or_none()
    if claim is not None:
        c.execute(delete(grants).where(grants.c.home == home_id))
        audit(c, now, actor, "home taken back", claim, detail=home_id)


def home_grants(c: Connection) -> dict[str, str]:
    """The homes that an admin gave to a claim: home id to claim."""
    return {row.home: row.claim for row in c.execute(select(schema.home_grants))}

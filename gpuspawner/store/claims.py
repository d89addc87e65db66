"""Wishes. Only `put_running` makes one run, each time as a new generation, which never goes back.

Every function is one step inside the caller's transaction: it changes all it says or raises, and
then `Database.run` undoes everything. Each wish that changes leaves a line in the audit log, in
the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update

from gpuspawner.errors import ClaimNotFound, GenerationMismatch, NotTheOwner
from gpuspawner.language import Sentence
from gpuspawner.model import Claim, Desired, Machine, Owner, Reason, Specification
from gpuspawner.store import environments, schema, sessions
from gpuspawner.store.environments import EnvironmentRecord, environment
from gpuspawner.store.events import audit
from gpuspawner.store.homes import (
    give_home,
    home_grants,
    home_token,
    renew_home_token,
    take_home_back,
)
from gpuspawner.store.intents import (
    abandon_intent,
    accept_intent,
    get_intent,
    name_machine,
    open_intent,
    open_intents,
    refuse_intent,
    set_machine,
)
from gpuspawner.store.rows import claim_of, insert_if_absent, locked, values_of

__all__ = [
    "EnvironmentRecord",
    "abandon_intent",
    "accept_intent",
    "adopt",
    "all_claims",
    "end",
    "environment",
    "forget",
    "get",
    "get_intent",
    "give_home",
    "home_grants",
    "home_token",
    "introduce",
    "name_machine",
    "open_intent",
    "open_intents",
    "put_deleted",
    "put_running",
    "put_stopped",
    "refuse_intent",
    "renew_home_token",
    "set_machine",
    "take_back",
    "take_home_back",
]


def put_running(
    c: Connection,
    name: str,
    owner: Owner,
    specification: Specification,
    environment: Mapping[str, str],
    command: Sequence[str],
    port: int,
    start_by: datetime,
    now: datetime,
    *,
    actor: str = "hub",
) -> Claim:
    """Wish that the claim runs: a new claim, or a new generation of the one there is.

    A claim that is being deleted may be wanted again at once. It keeps its machine's id, so the
    plan sees the machine on its way out, waits until nothing of it is left and makes a new one, or
    starts it again if it was not touched yet. To refuse would only make the student click again.

    Raises:
        NotTheOwner: the claim is another hub user's; nothing was changed.
    """
    _seed(c, name, owner, specification, now)
    row = _found(c, name)
    if row.user_id != owner.user_id:
        raise NotTheOwner(f"{name} belongs to user {row.user_id}, not to user {owner.user_id}")
    generation = row.generation + 1
    sessions.begin(c, row, generation, now)
    _update(
        c, name, user_name=owner.user_name, server_name=owner.server_name,
        specification=specification.to_json(), desired=Desired.RUNNING.value,
        generation=generation, desired_at=now, start_by=start_by, port=port, reason=None, because=None,
        reported=None, up_at=None, saved_at=None, heartbeat_at=None,
    )  # fmt: skip
    environments.keep(c, name, generation, environment, command, port)
    audit(c, now, actor, Desired.RUNNING.value, name, generation)
    return get(c, name)


def put_stopped(
    c: Connection,
    name: str,
    generation: int | None,
    reason: Reason,
    because: Sentence | None,
    now: datetime,
    *,
    actor: str = "hub",
) -> Claim:
    """Wish that the claim stops, if it is still in `generation` (None: in whichever it is).

    A claim that does not want to run stays as it is, with its first reason.

    Raises:
        ClaimNotFound: there is no such claim.
        GenerationMismatch: it was started again since the caller looked.
    """
    row = _found(c, name)
    if generation is not None and row.generation != generation:
        raise GenerationMismatch(f"{name} is in generation {row.generation}, not {generation}")
    if row.desired == Desired.RUNNING.value:
        _end(c, row, Desired.STOPPED, reason, because, now)
        audit(c, now, actor, Desired.STOPPED.value, name, row.generation, reason)
    return get(c, name)


def put_deleted(
    c: Connection, name: str, reason: Reason, now: datetime, *, actor: str = "hub"
) -> Claim:
    """Wish that nothing but the home is left. A claim that is being deleted stays as it is.

    Raises:
        ClaimNotFound: there is no such claim.
    """
    row = _found(c, name)
    if row.desired != Desired.DELETED.value:
        _end(c, row, Desired.DELETED, reason, None, now)
        audit(c, now, actor, Desired.DELETED.value, name, row.generation, reason)
    return get(c, name)


def end(
    c: Connection,
    name: str,
    generation: int | None,
    reason: Reason,
    because: Sentence | None,
    now: datetime,
    *,
    actor: str = "controller",
    detail: str = "",
) -> Claim | None:
    """End a session: as `put_stopped`, but a lost race is None. `detail` is for the audit log."""
    row = locked(c, name)
    if row is None or (row.desired, row.generation) != (Desired.RUNNING.value, generation):
        return None
    _end(c, row, Desired.STOPPED, reason, because, now)
    audit(c, now, actor, Desired.STOPPED.value, name, row.generation, reason, detail)
    return get(c, name)


def forget(c: Connection, name: str) -> bool:
    """Drop a claim with its environment, keys, attempts and progress; the audit log stays.

    False, and nothing is dropped, when it is not to be deleted any more.
    """
    claims = schema.claims
    gone = c.execute(
        delete(claims).where(claims.c.name == name, claims.c.desired == Desired.DELETED.value)
    )
    return gone.rowcount == 1


def adopt(c: Connection, claim: Claim, machine: Machine | None = None) -> bool:
    """Insert a claim that was found in the cloud. False when there is one of that name.

    With the `machine` it was found by, the agent there can register again.
    """
    generation = max(claim.generation, _last_generation(c, claim.name))
    if not insert_if_absent(c, schema.claims, **values_of(claim) | {"generation": generation}):
        return False
    audit(
        c, claim.desired_at, "controller", "adopted", claim.name, generation, claim.reason,
        claim.machine_id or "",
    )  # fmt: skip
    if machine:
        name_machine(c, get(c, claim.name), machine, claim.desired_at)
    return True


def take_back(c: Connection, name: str, generation: int, now: datetime) -> bool:
    """Let the session go on that a machine is found in, though this database says it has ended.

    It has no environment: that was lost, and the machine has its own. False when the wish has
    moved on from `generation`.
    """
    row = locked(c, name)
    if row is None or row.generation != generation or row.desired == Desired.RUNNING.value:
        return False
    _update(
        c, name, desired=Desired.RUNNING.value, generation=generation + 1, desired_at=now,
        start_by=None, reason=Reason.ADOPTED.value, because=None, reported="up", up_at=now, saved_at=None,
    )  # fmt: skip
    audit(
        c, now, "controller", "adopted", name, generation + 1, Reason.ADOPTED, row.machine_id or ""
    )
    return True


def introduce(c: Connection, name: str, user_name: str, server_name: str, now: datetime) -> bool:
    """Give an adopted claim the names that only the hub knows. False when it has names."""
    row = locked(c, name)
    if row is None or row.user_name:
        return False
    _update(c, name, user_name=user_name, server_name=server_name)
    audit(c, now, "hub", "named", name, row.generation)
    return True


def get(c: Connection, name: str) -> Claim:
    """The claim of that name.

    Raises:
        ClaimNotFound: there is none.
    """
    claims = schema.claims
    row = c.execute(select(claims).where(claims.c.name == name)).one_or_none()
    if row is None:
        raise ClaimNotFound(name)
    return claim_of(row)


def all_claims(c: Connection) -> list[Claim]:
    """All claims, by name."""
    return [claim_of(row) for row in c.execute(select(schema.claims).order_by("name"))]


def _seed(
    c: Connection, name: str, owner: Owner, specification: Specification, now: datetime
) -> None:
    """Make sure that there is a row to lock, so that two first wishes come one after the other."""
    claim = Claim(name, owner, specification, Desired.STOPPED, _last_generation(c, name), now)
    insert_if_absent(c, schema.claims, **values_of(claim))


def _last_generation(c: Connection, name: str) -> int:
    """What a claim of this name once reached, so that forgetting it does not turn time back."""
    log = schema.audit
    reached = c.execute(select(func.max(log.c.generation)).where(log.c.claim == name))
    return reached.scalar_one() or 0


def _found(c: Connection, name: str) -> Row[Any]:
    row = locked(c, name)
    if row is None:
        raise ClaimNotFound(name)
    return row


def _end(
    c: Connection,
    row: Row[Any],
    desired: Desired,
    reason: Reason,
    because: Sentence | None,
    now: datetime,
) -> None:
    """The wish to run ends, and with it the environment."""
    _update(
        c, row.name, desired=desired.value, desired_at=now, reason=reason.value,
        because=because.to_json() if because else None,
    )  # fmt: skip
    environments.drop(c, row.name)


def _update(c: Connection, name: str, **values: Any) -> None:
    c.execute(update(schema.claims).where(schema.claims.c.name == name).values(values))

"""Shorthand: one student, one machine, and times that read as seconds after nine."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from sqlalchemy import Connection

from gpuspawner.language import say
from gpuspawner.model import Claim, Intent, Machine, Owner, Placement, Power, Specification
from gpuspawner.store import claims

KEY = b"a2V5LWtleS1rZXkta2V5LWtleS1rZXkta2V5LWtleTA="
OTHER_KEY = b"b3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXItMDA="
NAME = "gs-0123abcd-aaaaaaaaaaaaaaaaaaaaaaaaaa"
ALICE = Owner("7", "alice", "")
SPECIFICATION = Specification("gpu", "One GPU", ("g4dn.xlarge", "g5.xlarge"))
TOKEN = "the-token-of-the-server-of-alice"
HERE = Placement("us-east-1", "us-east-1a", "g4dn.xlarge")
TOO_LONG = say("It took too long.")
SAID = say("It was said.")


def at(seconds: float) -> datetime:
    return datetime(2026, 11, 23, 9, tzinfo=timezone.utc) + timedelta(seconds=seconds)


def run(
    c: Connection,
    name: str = NAME,
    owner: Owner = ALICE,
    seconds: float = 0,
    token: str = TOKEN,
) -> Claim:
    """The student presses start."""
    return claims.put_running(
        c,
        name,
        owner,
        SPECIFICATION,
        {"JUPYTERHUB_API_TOKEN": token},
        ["jupyterhub-singleuser"],
        8888,
        at(seconds + 900),
        at(seconds),
    )


def attempt(c: Connection, generation: int = 1, seconds: float = 1, name: str = NAME) -> Intent:
    """The controller is about to ask the cloud."""
    return claims.open_intent(c, name, generation, HERE, "ami-1", 60, at(seconds))


def boot(c: Connection, machine_id: str = "i-1") -> Intent:
    """The student presses start, and the cloud gives a machine."""
    generation = run(c).generation
    intent = attempt(c, generation)
    claims.accept_intent(c, intent.id, machine_id, at(2))
    return intent


def machine(intent: str | None = None, id: str = "i-1") -> Machine:  # noqa: A002
    return Machine(id, Power.RUNNING, HERE, "ami-1", at(0), NAME, intent, ALICE.user_id)

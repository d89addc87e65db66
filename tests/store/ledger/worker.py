"""A process at the same database. It says `ready`, and then answers each request it reads, as lines.

A request is a list: what to do, then its arguments. What is refused for want of credit is False.
Where another process holds the database for too long it asks again, as a controller does.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

from gpuspawner.errors import ControllerUnavailable
from gpuspawner.model import Claim, Owner
from gpuspawner.policy.money import Component
from gpuspawner.policy.money_errors import IdempotencyMismatch, InsufficientCredit, NotReversible
from gpuspawner.store import ledger
from gpuspawner.store.database import Connection, Database
from tests.store import starts
from tests.store.ledger.bank import ADMIN, NINE, SMALL, TEACHER
from tests.store.wishes import KEY


def say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def hold(c: Connection, account: int, micros: int, ref: str) -> bool:
    ledger.place_hold(c, account, micros, ref=ref, now=NINE)
    return True


def release(c: Connection, ref: str) -> bool:
    return ledger.release_hold(c, ref, now=NINE) is not None


def top_up(c: Connection, ref: str, micros: int) -> bool:
    return ledger.top_up(c, ref, micros, now=NINE) is not None


def grant(c: Connection, account: int, micros: int, idem: str) -> int:
    return ledger.grant(c, account, micros, idem=idem, actor=TEACHER, now=NINE).id


def reverse(c: Connection, transaction: int, idem: str) -> int:
    return ledger.reverse(c, transaction, idem=idem, actor=ADMIN, now=NINE)


def settle(c: Connection, meter: int, until: int) -> int:
    settled = ledger.settle(c, meter, until, now=until)
    assert settled
    return settled.charged


def settle_all(c: Connection, course: int, until: int) -> int:
    return sum(one.charged for one in ledger.settle_all(c, until, now=until, course=course))


def start(c: Connection, course: int, resource: str, payer: int, at: int) -> int:
    return ledger.open_meter(
        c, course, resource, Component.COMPUTE, start=str(at), payer=payer, sku=SMALL,
        opened_at=at, reason="user",
    ).id  # fmt: skip


def stop(c: Connection, meter: int, at: int) -> int:
    settled = ledger.close(c, meter, at, reason="user", now=at)
    assert settled
    return settled.charged


def half(c: Connection, meter: int, until: int) -> None:
    """Settle, say so, and stop in the middle of the transaction."""
    say(settle(c, meter, until))
    sys.stdin.readline()


def press(c: Connection, name: str, user: str) -> bool:
    """A student presses start."""
    return isinstance(starts.begin(c, name=name, owner=Owner(user, f"name-{user}", "")), Claim)


ACTIONS: dict[str, Callable[..., Any]] = {
    one.__name__: one
    for one in (hold, release, top_up, grant, reverse, settle, settle_all, start, stop, half, press)
}


async def answer(database: Database, request: list[Any]) -> Any:
    what, *arguments = request
    try:
        return await database.run(ACTIONS[what], *arguments)
    except (InsufficientCredit, NotReversible, IdempotencyMismatch):
        return False
    except ControllerUnavailable as error:
        if "lock" not in str(error):
            raise
        return await answer(database, request)


async def main(url: str) -> None:
    database = Database(url, KEY)
    say("ready")
    while line := await asyncio.to_thread(sys.stdin.readline):
        say([await answer(database, request) for request in json.loads(line)])
    database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

"""When the hub may believe that there is no claim: not while a listed machine waits to be adopted."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gpuspawner.model import Desired, Power
from gpuspawner.store import claims
from gpuspawner.store.database import Database
from gpuspawner.store.seen import Seen
from gpuspawner.testing import FakeClock
from gpuspawner.web.board import Board
from tests.policy.worlds import CLAIM, claim, machine, world
from tests.store.wishes import KEY

MINUTE = timedelta(minutes=1)


@pytest.fixture
def there(tmp_path):
    """A board over an empty database, as after the old one was lost; and the database."""
    database = Database(f"sqlite:///{tmp_path}/new.sqlite", KEY)
    database.migrate()
    yield Board(database, Seen(MINUTE, MINUTE), FakeClock()), database
    database.close()


async def seen(board: Board, *things) -> bool:
    """Whether the hub is told that all is known, after a listing of these things."""
    board.seen.world = world(*things)
    await board.refresh()
    assert board.snapshot()["observed"] == board.observed
    return board.observed


async def test_before_the_first_listing_nothing_is_known(there):
    board, _database = there
    await board.refresh()
    assert not board.observed


async def test_an_empty_cloud_is_known(there):
    board, _database = there
    assert await seen(board)


@pytest.mark.parametrize("power", [Power.PENDING, Power.RUNNING, Power.STOPPED])
async def test_a_machine_that_is_still_to_be_adopted_is_waited_for(there, power):
    board, database = there
    assert not await seen(board, machine(power))
    adopted = claim(Desired.RUNNING, machine_id="i-1")
    await database.run(claims.adopt, adopted, machine(power))
    assert await seen(board, machine(power))
    assert CLAIM in board.views


@pytest.mark.parametrize(
    "stranger",
    [machine(claim=None), machine(owner_id=None), machine(Power.DELETING)],
    ids=["without a claim", "without an owner", "on its way out"],
)
async def test_a_machine_that_nobody_will_adopt_is_not_waited_for(there, stranger):
    board, _database = there
    assert await seen(board, stranger)


async def test_a_stranger_that_comes_later_takes_nothing_back(there):
    board, _database = there
    assert await seen(board)
    assert await seen(board, machine())

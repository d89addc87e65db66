"""What a session was promised survives; what the next one was not promised does not come with it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gpuspawner.errors import ClaimNotFound, GenerationMismatch
from gpuspawner.model import Reason
from gpuspawner.policy.observed import Observed
from gpuspawner.policy.session import Signal, Warned
from gpuspawner.store import claims, sessions
from gpuspawner.store.database import Connection, Database
from gpuspawner.store.sessions import Kept, Note
from tests.store.wishes import at, run

DAY = at(-3600)
SEEN = Observed(
    at(50), Signal(at(40)), Signal(None, at(30)), Signal(at(20)), Signal(), True, at(10)
)
TOLD = (Warned(Reason.IDLE, at(45)), Warned(Reason.LONGEST_SESSION, at(46)))


async def test_what_was_kept_comes_back_whole(database: Database) -> None:
    def play(c: Connection) -> Kept:
        claim = run(c)
        sessions.extend(c, claim, at(900), DAY, at(60), actor="1")
        sessions.promise(c, claim, "lease", at(800), at(60), actor="1")
        sessions.promise(c, claim, "hold", at(700), at(60), actor="admin")
        sessions.note(c, [Note(claim, TOLD, SEEN)])
        return sessions.read(c, DAY).kept[claim.name]

    assert await database.run(play) == Kept(at(700), at(800), at(900), TOLD, SEEN)


async def test_a_note_takes_no_promise_back_and_a_new_session_takes_all(database: Database) -> None:
    def play(c: Connection) -> tuple[Kept, Kept, int]:
        claim = run(c)
        sessions.promise(c, claim, "lease", at(800), at(60), actor="1")
        sessions.note(c, [Note(claim, (), SEEN)])
        before = sessions.of_claim(c, claim.name, claim.generation, DAY).kept
        sessions.extend(c, claim, at(900), DAY, at(60), actor="1")
        again = run(c)
        sessions.note(c, [Note(claim, TOLD, SEEN)])  # of the session before: too late
        after = sessions.of_claim(c, again.name, again.generation, DAY)
        return before, after.kept, after.given

    assert await database.run(play) == (Kept(lease_until=at(800), observed=SEEN), Kept(), 1)


async def test_clicks_are_counted_by_day(database: Database) -> None:
    def play(c: Connection) -> list[int]:
        claim, tomorrow = run(c), DAY + timedelta(days=1)
        given = []
        for day in (DAY, DAY, tomorrow):
            sessions.extend(c, claim, at(900), day, at(60), actor="1")
            given.append(sessions.of_claim(c, claim.name, None, day).given)
        return given

    assert await database.run(play) == [1, 2, 1]


@pytest.mark.parametrize(
    ("reason", "seconds", "mistakes"),
    [
        (Reason.IDLE, 600, 1), (Reason.WORK_DONE, 0, 1), (Reason.IDLE, 601, 0),
        (Reason.USER, 10, 0), (Reason.LONGEST_SESSION, 10, 0), (Reason.CREDIT, 10, 0),
    ],
)  # fmt: skip
async def test_a_start_soon_after_a_stop_for_idleness_is_a_mistake_of_ours(
    database: Database, reason: Reason, seconds: int, mistakes: int
) -> None:
    def play(c: Connection) -> tuple[int, bool, bool]:
        claim = run(c)
        claims.end(c, claim.name, claim.generation, reason, None, at(100))
        run(c, seconds=100 + seconds)
        today = sessions.read(c, DAY)
        tomorrow = sessions.read(c, DAY + timedelta(days=2))
        return today.restarts, claim.owner.user_id in today.mistaken, bool(tomorrow.mistaken)

    assert await database.run(play) == (mistakes, bool(mistakes), False)


async def test_nothing_is_given_to_a_session_that_is_over_or_another(database: Database) -> None:
    claim = await database.run(run)
    with pytest.raises(GenerationMismatch):
        await database.run(sessions.of_claim, claim.name, claim.generation + 1, DAY)
    await database.run(claims.end, claim.name, claim.generation, Reason.USER, None, at(100))
    with pytest.raises(ClaimNotFound):
        await database.run(sessions.of_claim, claim.name, claim.generation, DAY)

from __future__ import annotations

from gpuspawner.language import say
from gpuspawner.model import Reason, Stage
from gpuspawner.store import claims, events
from gpuspawner.store.database import Connection, Database
from gpuspawner.views import Progress
from tests.store.wishes import NAME, SAID, at, run

FOUND = say("Found {count} machines at {price}.", count=2, price=0.5)


async def test_progress_is_told_in_the_order_it_was_seen(database: Database) -> None:
    await database.run(run)
    assert await database.run(events.record, NAME, 1, Stage.CAPACITY, FOUND, at(1))
    assert await database.run(events.record, NAME, 1, Stage.BOOT, SAID, at(2))
    assert await database.run(events.history, NAME, 1) == (
        Progress(at(1), Stage.CAPACITY, FOUND),
        Progress(at(2), Stage.BOOT, SAID),
    )


async def test_the_same_twice_in_a_row_is_told_once_and_later_again(database: Database) -> None:
    def play(c: Connection) -> list[bool]:
        run(c)
        steps = [(Stage.BOOT, SAID), (Stage.BOOT, SAID), (Stage.BOOT, FOUND), (Stage.BOOT, SAID)]
        return [events.record(c, NAME, 1, *step, at(n)) for n, step in enumerate(steps)]

    assert await database.run(play) == [True, False, True, True]


async def test_a_claim_that_was_forgotten_has_no_progress(database: Database) -> None:
    assert not await database.run(events.record, NAME, 1, Stage.BOOT, SAID, at(1))
    await database.run(run)
    assert not await database.run(events.record, NAME, None, Stage.BOOT, SAID, at(1))
    await database.run(events.record, NAME, 1, Stage.BOOT, SAID, at(1))
    await database.run(claims.put_deleted, NAME, Reason.USER, at(2))
    await database.run(claims.forget, NAME)
    assert await database.run(events.history, NAME, 1) == ()


async def test_histories_are_of_the_present_generations_only(database: Database) -> None:
    def play(c: Connection) -> None:
        run(c)
        run(c, "gs-other")
        run(c, "gs-silent")
        events.record(c, NAME, 1, Stage.READY, SAID, at(1))
        events.record(c, "gs-other", 1, Stage.BOOT, SAID, at(2))
        run(c)
        events.record(c, NAME, 2, Stage.CAPACITY, FOUND, at(3))

    await database.run(play)
    assert await database.read(events.histories) == {
        NAME: (Progress(at(3), Stage.CAPACITY, FOUND),),
        "gs-other": (Progress(at(2), Stage.BOOT, SAID),),
    }


async def test_the_log_is_read_newest_first_and_of_one_claim(database: Database) -> None:
    await database.run(events.audit, at(0), "7", "kept", NAME)
    await database.run(events.audit, at(1), "7", "kept", "gs-other", 3, Reason.USER, "why")
    lines = await database.read(events.audit_lines)
    assert lines == [
        events.AuditLine(at(1), "7", "kept", "gs-other", 3, Reason.USER, "why"),
        events.AuditLine(at(0), "7", "kept", NAME, None, None, ""),
    ]
    assert await database.read(events.audit_lines, NAME) == lines[1:]
    assert await database.read(events.audit_lines, None, 1) == lines[:1]


async def test_old_progress_is_dropped_and_the_log_is_not(database: Database) -> None:
    def play(c: Connection) -> int:
        run(c)
        events.record(c, NAME, 1, Stage.BOOT, SAID, at(1))
        events.record(c, NAME, 1, Stage.READY, SAID, at(9))
        events.record_start(c, "small", 70, at(1))
        events.record_start(c, "small", 80, at(9))
        return events.prune(c, at(5))

    assert await database.run(play) == 2
    assert await database.run(events.history, NAME, 1) == (Progress(at(9), Stage.READY, SAID),)
    assert await database.run(events.start_durations, at(0)) == {"small": [80.0]}
    assert len(await database.run(events.audit_lines)) == 1

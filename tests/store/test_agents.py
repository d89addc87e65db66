from __future__ import annotations

import pytest
from sqlalchemy import func, select

from gpuspawner.errors import ClaimNotFound
from gpuspawner.model import Claim, Desired, Reason
from gpuspawner.store import agents, claims, events, schema
from gpuspawner.store.agents import KeyConflict, TicketExpired
from gpuspawner.store.database import Connection, Database
from tests.store.wishes import NAME, at, attempt, boot, machine, run


async def test_a_machine_registers_and_speaks_for_its_claim(database: Database) -> None:
    intent = await database.run(boot)
    assert await database.run(agents.register, intent.id, "hash", at(5)) == NAME
    assert await database.run(agents.verify, intent.id, "hash") == NAME


async def test_a_machine_registers_before_its_attempt_is_accepted(database: Database) -> None:
    await database.run(run)
    intent = await database.run(attempt)
    await database.run(agents.register, intent.id, "hash", at(5))
    assert await database.run(agents.verify, intent.id, "hash") == NAME


async def test_a_machine_does_not_speak_with_another_key_or_another_attempt(
    database: Database,
) -> None:
    intent = await database.run(boot)
    assert await database.run(agents.verify, intent.id, "hash") is None
    await database.run(agents.register, intent.id, "hash", at(5))
    assert await database.run(agents.verify, intent.id, "hush") is None
    assert await database.run(agents.verify, "another", "hash") is None


async def test_the_same_pair_registers_again_even_after_the_start(database: Database) -> None:
    intent = await database.run(boot)
    await database.run(agents.register, intent.id, "hash", at(5))
    await database.run(claims.put_stopped, NAME, 1, Reason.USER, None, at(60))
    assert await database.run(agents.register, intent.id, "hash", at(5000)) == NAME


async def test_another_key_does_not_register(database: Database) -> None:
    intent = await database.run(boot)
    await database.run(agents.register, intent.id, "hash", at(5))
    with pytest.raises(KeyConflict):
        await database.run(agents.register, intent.id, "hush", at(6))
    assert await database.run(agents.verify, intent.id, "hash") == NAME


async def test_a_ticket_dies_with_its_start(database: Database) -> None:
    intent = await database.run(boot)
    with pytest.raises(TicketExpired):
        await database.run(agents.register, intent.id, "hash", at(900))
    await database.run(claims.put_stopped, NAME, 1, Reason.USER, None, at(10))
    with pytest.raises(TicketExpired):
        await database.run(agents.register, intent.id, "hash", at(11))


async def test_a_ticket_of_nothing_does_not_register(database: Database) -> None:
    with pytest.raises(ClaimNotFound):
        await database.run(agents.register, "nothing", "hash", at(5))


async def test_a_machine_that_its_claim_does_not_name_does_not_speak(database: Database) -> None:
    intent = await database.run(boot)
    await database.run(agents.register, intent.id, "hash", at(5))
    await database.run(claims.set_machine, NAME, "i-2")
    assert await database.run(agents.verify, intent.id, "hash") is None


async def test_an_adopted_machine_registers_with_its_old_ticket(database: Database) -> None:
    claim = await database.run(run)
    await database.run(claims.name_machine, claim, machine("it-1"), at(5))
    await database.run(agents.register, "it-1", "hash", at(6))
    assert await database.run(agents.verify, "it-1", "hash") == NAME


async def test_up_is_noted_once_with_how_long_it_took(database: Database) -> None:
    await database.run(boot)
    assert await database.run(agents.report, NAME, 1, "up", "", at(75))
    assert await database.run(agents.report, NAME, 1, "up", "", at(99))
    assert (await database.run(claims.get, NAME)).up_at == at(75)
    assert await database.run(events.start_durations, at(75)) == {"g4dn.xlarge": [75.0]}
    assert await database.run(events.start_durations, at(76)) == {}


async def test_up_of_an_older_session_does_not_make_the_newer_one_up(database: Database) -> None:
    await database.run(boot)
    await database.run(run)
    assert not await database.run(agents.report, NAME, 1, "up", "", at(75))
    assert (await database.run(claims.get, NAME)).up_at is None


async def test_up_does_not_revive_a_wish_that_has_ended(database: Database) -> None:
    await database.run(boot)
    await database.run(claims.put_stopped, NAME, 1, Reason.USER, None, at(60))
    assert not await database.run(agents.report, NAME, 1, "up", "", at(75))
    claim = await database.run(claims.get, NAME)
    assert (claim.desired, claim.up_at) == (Desired.STOPPED, None)


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        ([], Reason.BOOT_FAILED),
        (["boot", "home"], Reason.BOOT_FAILED),
        (["boot", "home", "server"], Reason.SERVER_FAILED),
        (["server", "up"], Reason.SERVER_FAILED),
    ],
)
async def test_a_failure_ends_the_wish_and_says_of_what(
    database: Database, before: list[str], reason: Reason
) -> None:
    def play(c: Connection) -> Claim:
        boot(c)
        for stage in before:
            assert agents.report(c, NAME, 1, stage, "", at(10))
        assert agents.report(c, NAME, 1, "failed", "Traceback \0 the end", at(20))
        return claims.get(c, NAME)

    claim = await database.run(play)
    assert (claim.desired, claim.reason, claim.desired_at) == (Desired.STOPPED, reason, at(20))
    assert claim.because
    assert await database.run(claims.environment, NAME) is None
    (line,) = await database.run(events.audit_lines, NAME, 1)
    assert (line.actor, line.action, line.detail) == (
        "agent",
        "stopped",
        "Traceback \ufffd the end",
    )


async def test_an_older_sessions_failure_does_not_end_the_newer_one(database: Database) -> None:
    await database.run(boot)
    await database.run(run)
    assert not await database.run(agents.report, NAME, 1, "failed", "", at(20))
    assert (await database.run(claims.get, NAME)).desired is Desired.RUNNING


async def test_a_log_is_kept_by_its_end(database: Database) -> None:
    await database.run(boot)
    await database.run(agents.report, NAME, 1, "failed", "a" * 9000 + "end", at(20))
    (line,) = await database.run(events.audit_lines, NAME, 1)
    assert (len(line.detail), line.detail[-4:]) == (8192, "aend")


async def test_saved_counts_once_the_wish_has_ended(database: Database) -> None:
    await database.run(boot)
    await database.run(claims.put_stopped, NAME, 1, Reason.USER, None, at(60))
    assert await database.run(agents.report, NAME, 1, "saved", "", at(65))
    assert (await database.run(claims.get, NAME)).saved_at == at(65)


async def test_saved_does_not_count_while_the_machine_is_wanted(database: Database) -> None:
    await database.run(boot)
    assert not await database.run(agents.report, NAME, 1, "saved", "", at(65))
    assert (await database.run(claims.get, NAME)).saved_at is None


async def test_a_report_of_nothing_known_is_refused(database: Database) -> None:
    await database.run(boot)
    with pytest.raises(ValueError, match="rich"):
        await database.run(agents.report, NAME, 1, "rich", "", at(65))
    assert not await database.run(agents.report, "gs-nobody", 1, "up", "", at(65))


async def test_many_heartbeats_are_noted_in_one_transaction(database: Database) -> None:
    def play(c: Connection) -> list[Claim]:
        for name in ("gs-a", "gs-b", "gs-c"):
            run(c, name)
        run(c, "gs-c")
        agents.heartbeats(c, [("gs-b", 1, at(9)), ("gs-a", 1, at(8)), ("gs-c", 1, at(7))])
        agents.heartbeat(c, "gs-b", 1, at(3))
        agents.heartbeats(c, [])
        return claims.all_claims(c)

    beats = {claim.name: claim.heartbeat_at for claim in await database.run(play)}
    assert beats == {"gs-a": at(8), "gs-b": at(9), "gs-c": None}


async def test_a_report_counts_as_one_start_only(database: Database) -> None:
    await database.run(boot)
    for stage in ("boot", "home", "server", "up", "up"):
        await database.run(agents.report, NAME, 1, stage, "", at(50))

    def count(c: Connection) -> int:
        return c.execute(select(func.count()).select_from(schema.starts)).scalar_one()

    assert await database.read(count) == 1

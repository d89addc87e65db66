from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from gpuspawner.errors import ClaimNotFound, GenerationMismatch
from gpuspawner.model import Intent, IntentState, Reason
from gpuspawner.store import claims, schema
from gpuspawner.store.database import Connection, Database
from tests.store.wishes import HERE, NAME, at, attempt, boot, machine, run


async def test_an_attempt_is_frozen_before_it_is_sent(database: Database) -> None:
    await database.run(run)
    intent = await database.run(attempt)
    assert intent == Intent(intent.id, NAME, 1, HERE, "ami-1", 60, at(1))
    assert str(uuid.UUID(intent.id)) == intent.id
    assert await database.run(claims.open_intents) == [intent]
    assert await database.run(claims.get_intent, intent.id) == intent


async def test_a_second_attempt_does_not_open_beside_the_first(database: Database) -> None:
    await database.run(run)
    intent = await database.run(attempt)
    with pytest.raises(GenerationMismatch):
        await database.run(attempt)
    assert await database.run(claims.open_intents) == [intent]


async def test_the_database_itself_refuses_a_second_open_attempt(database: Database) -> None:
    def copy(c: Connection) -> None:
        row = c.execute(select(schema.intents)).one()._asdict()
        c.execute(insert(schema.intents).values(row | {"id": "other"}))

    await database.run(run)
    await database.run(attempt)
    with pytest.raises(IntegrityError):
        await database.run(copy)


async def test_an_attempt_of_an_older_generation_does_not_open(database: Database) -> None:
    await database.run(run)
    await database.run(run)
    with pytest.raises(GenerationMismatch):
        await database.run(attempt, 1)


async def test_an_attempt_for_nobody_does_not_open(database: Database) -> None:
    with pytest.raises(ClaimNotFound):
        await database.run(attempt)


async def test_an_accepted_attempt_names_the_machine_and_may_be_accepted_again(
    database: Database,
) -> None:
    intent = await database.run(boot)
    await database.run(claims.accept_intent, intent.id, "i-1", at(3))
    accepted = replace(intent, state=IntentState.ACCEPTED, machine_id="i-1")
    assert await database.run(claims.get_intent, intent.id) == accepted
    assert (await database.run(claims.get, NAME)).machine_id == "i-1"
    assert await database.run(claims.open_intents) == []


async def test_a_machine_that_comes_after_the_wish_has_ended_is_named_too(
    database: Database,
) -> None:
    await database.run(run)
    intent = await database.run(attempt)
    await database.run(claims.put_stopped, NAME, 1, Reason.CANCELLED, None, at(2))
    await database.run(claims.abandon_intent, intent.id, at(3))
    await database.run(claims.accept_intent, intent.id, "i-1", at(4))
    assert (await database.run(claims.get, NAME)).machine_id == "i-1"


async def test_an_unknown_attempt_is_not_accepted(database: Database) -> None:
    with pytest.raises(ClaimNotFound):
        await database.run(claims.accept_intent, "nobody", "i-1", at(3))


async def test_a_refused_attempt_makes_room_for_the_next(database: Database) -> None:
    await database.run(run)
    intent = await database.run(attempt)
    assert await database.run(claims.refuse_intent, intent.id, "no\0ne left", at(2))
    refused = await database.run(claims.get_intent, intent.id)
    assert refused == replace(intent, state=IntentState.REFUSED)
    assert (await database.run(attempt, seconds=3)).id != intent.id


async def test_an_accepted_attempt_is_not_refused_or_abandoned(database: Database) -> None:
    intent = await database.run(boot)
    assert not await database.run(claims.refuse_intent, intent.id, "none left", at(9))
    assert not await database.run(claims.abandon_intent, intent.id, at(9))
    settled = await database.run(claims.get_intent, intent.id)
    assert settled
    assert settled.state is IntentState.ACCEPTED


async def test_the_claim_names_what_it_is_told_to(database: Database) -> None:
    await database.run(run)
    await database.run(claims.set_machine, NAME, "i-2")
    assert (await database.run(claims.get, NAME)).machine_id == "i-2"
    await database.run(claims.set_machine, NAME, None)
    assert (await database.run(claims.get, NAME)).machine_id is None


async def test_a_listed_machine_brings_its_attempt_back(database: Database) -> None:
    claim = await database.run(run)
    await database.run(claims.name_machine, claim, machine("it-1"), at(5))
    known = await database.run(claims.get_intent, "it-1")
    assert known == Intent("it-1", NAME, 1, HERE, "ami-1", 60, at(0), IntentState.ACCEPTED, "i-1")
    assert (await database.run(claims.get, NAME)).machine_id == "i-1"


async def test_a_tag_does_not_take_another_claims_attempt(database: Database) -> None:
    def play(c: Connection) -> Intent:
        run(c)
        other = run(c, "gs-other")
        intent = attempt(c)
        claims.name_machine(c, other, machine(intent.id), at(5))
        return intent

    intent = await database.run(play)
    assert await database.run(claims.get_intent, intent.id) == intent

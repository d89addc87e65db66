from __future__ import annotations

import pytest

from gpuspawner.errors import ClaimNotFound, GenerationMismatch, NotTheOwner
from gpuspawner.model import Claim, Desired, Owner, Reason
from gpuspawner.store import claims, events
from gpuspawner.store.claims import EnvironmentRecord
from gpuspawner.store.database import Connection, Database
from tests.store.wishes import (
    ALICE,
    NAME,
    SAID,
    SPECIFICATION,
    TOKEN,
    TOO_LONG,
    at,
    attempt,
    boot,
    machine,
    run,
)

WANTED = Claim(NAME, ALICE, SPECIFICATION, Desired.RUNNING, 1, at(0), start_by=at(900))


async def test_a_first_wish_makes_the_claim(database: Database) -> None:
    assert await database.run(run) == WANTED
    assert await database.read(claims.all_claims) == [WANTED]


async def test_a_second_wish_opens_a_new_generation_that_is_not_up(database: Database) -> None:
    def play(c: Connection) -> Claim:
        boot(c)
        claims.put_stopped(c, NAME, 1, Reason.USER, SAID, at(5))
        return run(c, seconds=10)

    assert await database.run(play) == Claim(
        NAME, ALICE, SPECIFICATION, Desired.RUNNING, 2, at(10), start_by=at(910), machine_id="i-1"
    )


async def test_another_user_of_the_same_name_does_not_get_the_claim(database: Database) -> None:
    await database.run(run)
    with pytest.raises(NotTheOwner):
        await database.run(run, NAME, Owner("8", "alice", ""), 60)
    assert await database.run(claims.get, NAME) == WANTED
    assert [line.generation for line in await database.run(events.audit_lines)] == [1]


async def test_names_of_any_kind_come_back_as_they_went_in(database: Database) -> None:
    owner = Owner("9", "nul\0 surrogate\ud800 한글", "'; DROP TABLE claims; --")
    assert (await database.run(run, NAME, owner)).owner == owner


async def test_a_wish_stops_in_the_generation_that_was_looked_at(database: Database) -> None:
    await database.run(run)
    stopped = await database.run(claims.put_stopped, NAME, 1, Reason.START_TIMEOUT, TOO_LONG, at(9))
    assert stopped == Claim(
        NAME,
        ALICE,
        SPECIFICATION,
        Desired.STOPPED,
        1,
        at(9),
        Reason.START_TIMEOUT,
        TOO_LONG,
        start_by=at(900),
    )


async def test_a_wish_does_not_stop_in_another_generation(database: Database) -> None:
    await database.run(run)
    await database.run(run)
    with pytest.raises(GenerationMismatch):
        await database.run(claims.put_stopped, NAME, 1, Reason.USER, None, at(9))
    assert (await database.run(claims.get, NAME)).desired is Desired.RUNNING


async def test_whatever_generation_there_is_stops_when_none_is_named(database: Database) -> None:
    await database.run(run)
    await database.run(run)
    stopped = await database.run(claims.put_stopped, NAME, None, Reason.ADMIN, None, at(9))
    assert (stopped.generation, stopped.desired) == (2, Desired.STOPPED)


async def test_a_second_stop_does_not_replace_the_first_reason(database: Database) -> None:
    await database.run(run)
    first = await database.run(claims.put_stopped, NAME, 1, Reason.CAPACITY, SAID, at(5))
    assert await database.run(claims.put_stopped, NAME, 1, Reason.USER, None, at(9)) == first
    deleted = await database.run(claims.put_deleted, NAME, Reason.DELETED, at(10))
    assert await database.run(claims.put_stopped, NAME, 1, Reason.USER, None, at(11)) == deleted


async def test_what_does_not_exist_cannot_be_stopped_or_deleted(database: Database) -> None:
    with pytest.raises(ClaimNotFound):
        await database.run(claims.put_stopped, NAME, None, Reason.USER, None, at(0))
    with pytest.raises(ClaimNotFound):
        await database.run(claims.put_deleted, NAME, Reason.USER, at(0))


async def test_a_session_is_ended_with_its_reason(database: Database) -> None:
    await database.run(run)
    ended = await database.run(claims.end, NAME, 1, Reason.QUOTA, SAID, at(9))
    assert ended == await database.run(claims.get, NAME)
    assert ended
    assert (ended.desired, ended.reason, ended.because) == (Desired.STOPPED, Reason.QUOTA, SAID)


@pytest.mark.parametrize("generation", [None, 1, 3])
async def test_a_session_of_another_generation_is_not_ended(
    database: Database, generation: int | None
) -> None:
    await database.run(run)
    wanted = await database.run(run)
    assert await database.run(claims.end, NAME, generation, Reason.QUOTA, SAID, at(9)) is None
    assert await database.run(claims.get, NAME) == wanted


async def test_a_session_that_has_ended_is_not_ended_again(database: Database) -> None:
    await database.run(run)
    first = await database.run(claims.end, NAME, 1, Reason.QUOTA, SAID, at(9))
    assert await database.run(claims.end, NAME, 1, Reason.USER, None, at(10)) is None
    assert await database.run(claims.get, NAME) == first


async def test_a_claim_that_is_being_deleted_may_be_wanted_again(database: Database) -> None:
    await database.run(boot)
    await database.run(claims.put_deleted, NAME, Reason.DELETED, at(5))
    again = await database.run(run, seconds=6)
    assert (again.desired, again.generation, again.machine_id) == (Desired.RUNNING, 2, "i-1")
    assert (again.reason, again.because) == (None, None)


async def test_a_deleted_claim_is_forgotten_with_all_that_belongs_to_it(
    database: Database,
) -> None:
    intent = await database.run(boot)
    await database.run(claims.put_deleted, NAME, Reason.DELETED, at(5))
    assert await database.run(claims.forget, NAME)
    assert await database.run(claims.all_claims) == []
    assert await database.run(claims.get_intent, intent.id) is None
    assert [line.action for line in await database.run(events.audit_lines, NAME)] == [
        "deleted",
        "running",
    ]


async def test_a_claim_that_is_wanted_is_not_forgotten(database: Database) -> None:
    await database.run(run)
    assert not await database.run(claims.forget, NAME)
    assert await database.run(claims.get, NAME) == WANTED


async def test_a_forgotten_claim_does_not_begin_again_at_the_first_generation(
    database: Database,
) -> None:
    await database.run(run)
    await database.run(run)
    await database.run(claims.put_deleted, NAME, Reason.DELETED, at(5))
    await database.run(claims.forget, NAME)
    assert (await database.run(run)).generation == 3


async def test_a_machine_found_in_the_cloud_is_adopted_once(database: Database) -> None:
    found = Claim(
        NAME,
        ALICE,
        SPECIFICATION,
        Desired.RUNNING,
        4,
        at(0),
        Reason.ADOPTED,
        machine_id="i-1",
        up_at=at(0),
    )
    assert await database.run(claims.adopt, found, machine("it-1"))
    assert await database.run(claims.get, NAME) == found
    assert await database.run(claims.environment, NAME) is None
    assert not await database.run(claims.adopt, found)


async def test_an_adopted_claim_does_not_replace_one_that_is_known(database: Database) -> None:
    await database.run(run)
    found = Claim(NAME, Owner("8", "", ""), SPECIFICATION, Desired.STOPPED, 9, at(0))
    assert not await database.run(claims.adopt, found)
    assert await database.run(claims.get, NAME) == WANTED


async def test_the_environment_is_kept_while_its_generation_lasts(database: Database) -> None:
    await database.run(run)
    kept = EnvironmentRecord(1, {"JUPYTERHUB_API_TOKEN": TOKEN}, ("jupyterhub-singleuser",), 8888)
    assert await database.run(claims.environment, NAME) == kept
    assert TOKEN not in repr(kept)
    await database.run(run, token="another")
    newer = await database.run(claims.environment, NAME)
    assert newer
    assert (newer.generation, newer.environment) == (2, {"JUPYTERHUB_API_TOKEN": "another"})


@pytest.mark.parametrize("ends", ["stopped", "deleted", "ended"])
async def test_the_environment_does_not_outlive_its_generation(
    database: Database, ends: str
) -> None:
    await database.run(run)
    if ends == "stopped":
        await database.run(claims.put_stopped, NAME, 1, Reason.USER, None, at(5))
    elif ends == "deleted":
        await database.run(claims.put_deleted, NAME, Reason.USER, at(5))
    else:
        await database.run(claims.end, NAME, 1, Reason.QUOTA, None, at(5))
    assert await database.run(claims.environment, NAME) is None


async def test_an_unknown_claim_has_no_environment(database: Database) -> None:
    with pytest.raises(ClaimNotFound):
        await database.run(claims.environment, NAME)


async def test_each_wish_that_changes_leaves_a_line_and_no_other_does(database: Database) -> None:
    await database.run(run)
    await database.run(claims.put_stopped, NAME, 1, Reason.USER, None, at(5))
    await database.run(claims.put_stopped, NAME, 1, Reason.ADMIN, None, at(6))
    lines = await database.run(events.audit_lines)
    assert [(line.at, line.actor, line.action, line.reason) for line in lines] == [
        (at(5), "hub", "stopped", Reason.USER),
        (at(0), "hub", "running", None),
    ]


async def test_a_home_is_asked_for_with_one_token_until_it_was_deleted(database: Database) -> None:
    token = await database.run(claims.home_token, NAME, at(0))
    assert await database.run(claims.home_token, NAME, at(9)) == token
    renewed = await database.run(claims.renew_home_token, NAME, at(10))
    assert renewed != token
    assert await database.run(claims.home_token, NAME, at(11)) == renewed


async def test_a_home_is_given_and_taken_back(database: Database) -> None:
    await database.run(claims.give_home, "vol-1", "gs-other", at(0))
    await database.run(claims.give_home, "vol-1", NAME, at(1))
    assert await database.run(claims.home_grants) == {"vol-1": NAME}
    await database.run(claims.take_home_back, "vol-1", at(2))
    await database.run(claims.take_home_back, "vol-1", at(3))
    assert await database.run(claims.home_grants) == {}
    assert len(await database.run(events.audit_lines)) == 3


async def test_an_attempt_of_a_wish_that_was_given_up_does_not_open(database: Database) -> None:
    await database.run(run)
    await database.run(claims.put_stopped, NAME, 1, Reason.CANCELLED, None, at(5))
    with pytest.raises(GenerationMismatch):
        await database.run(attempt)
    assert await database.run(claims.open_intents) == []

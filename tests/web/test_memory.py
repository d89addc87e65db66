"""The database is lost, or comes back from a backup, while machines run and speak."""

from __future__ import annotations

import shutil
from contextlib import asynccontextmanager

from gpuspawner.model import Desired, Power, Reason
from tests.controllers.stage import Stage, name_of
from tests.web.house import House, house
from tests.web.test_agent_api import KEY, beat, report, started

DATABASE = "gpuspawner.sqlite"


@asynccontextmanager
async def before(folder):
    async with house(folder) as there:
        yield there


@asynccontextmanager
async def after(folder, there: House):
    """The same cloud and the same secret, a new process with the database in `folder`."""
    folder.mkdir(exist_ok=True)
    async with house(folder, cloud=there.stage) as one:
        yield one


async def in_session(there: House, user: str = "alice") -> str:
    token = await started(there, user)
    claim = await there.stage.claim(user)
    await report(there, token, "up", claim.generation)
    await beat(there, token, claim.generation)
    return token


async def again(there: House, user: str) -> int:
    """A stop and a second start; the new generation."""
    claim = await there.stage.claim(user)
    await there.ask("POST", f"claims/{name_of(user)}/stop", {"generation": claim.generation})
    await there.pass_time(90)
    assert (await there.put(user))[0] == 200
    await there.pass_time(30)
    return (await there.stage.claim(user)).generation


async def test_a_machine_of_a_lost_database_is_known_again_by_its_signed_name(tmp_path):
    async with before(tmp_path) as there:
        token = await in_session(there)
        await there.stage.clock.advance(600)
        async with after(tmp_path / "new", there) as later:
            assert (await beat(later, token))[0] == 401  # nothing is known yet
            await later.pass_time(6)
            status, said = await beat(later, token)
            assert (status, said["verdict"], said["issued"]) == (200, "keep", None)
            await later.pass_time(6)
            claim = await later.stage.claim("alice")
    assert (claim.desired, claim.reason) == (Desired.RUNNING, Reason.ADOPTED)
    assert claim.heartbeat_at is not None


async def test_another_key_is_not_let_in_by_a_lost_database(tmp_path):
    async with before(tmp_path) as there:
        token = await in_session(there)
        await there.stage.clock.advance(600)
        async with after(tmp_path / "new", there) as later:
            await later.pass_time(6)
            assert (await beat(later, token.replace(KEY, "c" * 64)))[0] == 401


async def test_a_machine_far_ahead_of_a_lost_database_saves_when_it_is_stopped(tmp_path):
    async with before(tmp_path) as there:
        token = await in_session(there)
        generation = await again(there, "alice")
        await report(there, token, "up", generation)
        await there.stage.clock.advance(600)
        async with after(tmp_path / "new", there) as later:
            await later.pass_time(6)
            await beat(later, token, generation)
            await later.pass_time(6)
            assert (await later.stage.claim("alice")).generation == generation
            await later.ask("POST", f"claims/{name_of('alice')}/stop", {"generation": generation})
            _status, said = await beat(later, token, generation)
            assert said["verdict"] == "save_and_stop"
            await report(later, token, "saved", generation)
            await later.controller.tick()
            assert [one.power for one in await there.stage.machines()] == [Power.STOPPING]


async def test_a_generation_from_nowhere_is_not_believed(tmp_path):
    async with before(tmp_path) as there:
        token = await in_session(there)
        await there.stage.clock.advance(600)
        async with after(tmp_path / "new", there) as later:
            await later.pass_time(6)
            await beat(later, token, 10**9)
            assert (await later.stage.claim("alice")).generation == 1


async def test_a_start_after_the_loss_is_newer_orders_whatever_their_number(tmp_path):
    async with before(tmp_path) as there:
        token = await in_session(there)
        _status, first = await there.ask("GET", "agent/environment", token=token)
        await there.stage.clock.advance(600)
        async with after(tmp_path / "new", there) as later:
            await later.pass_time(6)
            await later.put("alice")
            _status, said = await beat(later, token, first["generation"])
            assert said["issued"] > first["issued"]
            _status, orders = await later.ask("GET", "agent/environment", token=token)
            assert orders["issued"] == said["issued"]


async def test_a_database_of_yesterday_does_not_stop_the_class_of_today(tmp_path):
    users = [f"student{n}" for n in range(6)]
    async with before(tmp_path) as there:
        tokens = {user: await in_session(there, user) for user in users}
        for user in users:
            await there.ask("POST", f"claims/{name_of(user)}/stop", {"generation": 1})
        await there.pass_time(90)
        backup = tmp_path / "backup"
        await copied(there.stage, backup)
        await there.stage.clock.advance(86_400)
        for user in users:
            await there.put(user)
        await there.pass_time(60)
        for user in users:
            await report(there, tokens[user], "up", 2)
        await there.stage.clock.advance(600)
        async with after(backup, there) as later:
            for _ in range(3):
                await later.controller.tick()
                for user in users:
                    status, said = await beat(later, tokens[user], 2)
                    assert (status, said["verdict"]) == (200, "keep")
                await later.stage.clock.advance(3)
            await later.pass_time(400)
            claims = [await later.stage.claim(user) for user in users]
        powers = [one.power for one in await there.stage.machines()]
    assert powers == [Power.RUNNING] * 6
    assert {(one.desired, one.reason, one.generation) for one in claims} == {
        (Desired.RUNNING, Reason.ADOPTED, 2)
    }


async def test_a_machine_that_somebody_started_while_we_were_away_is_stopped(tmp_path):
    async with before(tmp_path) as there:
        await in_session(there)
        await there.ask("POST", f"claims/{name_of('alice')}/stop", {"generation": 1})
        await there.pass_time(90)
        await there.stage.clock.advance(3600)
        [machine] = await there.stage.machines()
        await there.stage.provider.start([machine.id], "small")
        await there.stage.clock.advance(60)
        backup = tmp_path / "same"
        await copied(there.stage, backup)
        async with after(backup, there) as later:
            await later.pass_time(170)
            assert [one.power for one in await there.stage.machines()] == [Power.RUNNING]
            await later.pass_time(60)
        assert [one.power for one in await there.stage.machines()] == [Power.STOPPED]


async def copied(stage: Stage, folder) -> None:
    """What the database holds now, in `folder`, as a backup would be taken."""
    folder.mkdir()
    for path in stage.folder.glob(f"{DATABASE}*"):
        shutil.copy(path, folder / path.name)

"""From the hub's API to the cloud and back, with the real controller between them."""

from __future__ import annotations

import asyncio

import pytest

from gpuspawner.model import Desired, Placement, Power, Reason
from tests.hub.school import school


@pytest.fixture
async def stage(hub_app, tidy, server_url, tmp_path, monkeypatch):
    async with school(hub_app, tidy, server_url, tmp_path, monkeypatch) as one:
        yield one


# -- a start --------------------------------------------------------------------------------


async def test_a_start_is_ready_on_a_machine_with_a_home(stage):
    stage.student()
    assert (await stage.start()).status_code == 201
    spawner = stage.spawner()
    assert (spawner.ready, spawner.server.port) == (True, spawner.port)
    [machine], [home] = await stage.machines(), await stage.homes()
    assert (machine.power, machine.claim) == (Power.RUNNING, spawner.claim_name)
    assert (home.machine_id, home.claim) == (machine.id, spawner.claim_name)


async def test_the_machine_is_handed_the_token_of_its_server(stage):
    stage.student()
    await stage.start()
    [machine] = await stage.machines()
    told = stage.agents.environments[machine.id, 1]
    assert told["environment"]["JUPYTERHUB_API_TOKEN"] == stage.spawner().api_token
    assert told["environment"]["JUPYTERHUB_USER"] == "alice"
    assert told["port"] == stage.spawner().port


async def test_a_start_is_not_ready_before_the_machine_says_so(stage):
    stage.agents.quiet = True
    stage.hasty()
    stage.student()
    assert (await stage.start()).status_code == 202
    await stage.until(lambda: stage.agents.environments)
    spawner = stage.spawner()
    assert (spawner.ready, spawner.pending, await spawner.poll()) == (False, "spawn", None)
    future = spawner._spawn_future
    stage.agents.quiet = False
    await asyncio.wait_for(future, 30)
    assert spawner.ready


async def test_every_named_server_has_a_machine_and_a_home_of_its_own(stage):
    stage.student()
    for server in ("", "second"):
        assert (await stage.start(server=server)).status_code == 201
    machines, homes = await stage.machines(), await stage.homes()
    assert len({machine.claim for machine in machines}) == 2
    assert {home.machine_id for home in homes} == {machine.id for machine in machines}


# -- a stop, and the next start -------------------------------------------------------------


async def test_a_stop_saves_and_ends_the_bill(stage):
    stage.student()
    await stage.start()
    [machine] = await stage.machines()
    assert (await stage.stop()).status_code == 204
    assert await stage.powers() == [Power.STOPPED]
    assert stage.agents.saved == [machine.id]
    assert (stage.view().desired, stage.view().billed) == (Desired.STOPPED, False)
    assert stage.user().running is False


async def test_a_stop_of_one_server_does_not_touch_another(stage):
    stage.student()
    await stage.start()
    await stage.start(server="second")
    await stage.stop(server="second")
    powers = {machine.claim: machine.power for machine in await stage.machines()}
    assert powers == {
        stage.spawner().claim_name: Power.RUNNING,
        stage.spawner(server="second").claim_name: Power.STOPPED,
    }


async def test_a_second_start_wakes_the_same_machine_with_a_new_token(stage):
    stage.student()
    await stage.start()
    [first] = await stage.machines()
    await stage.stop()
    assert (await stage.start()).status_code == 201
    [second] = await stage.machines()
    assert (second.id, second.power) == (first.id, Power.RUNNING)
    assert len(stage.provider.called("create")) == 1
    tokens = {
        told["environment"]["JUPYTERHUB_API_TOKEN"] for told in stage.agents.environments.values()
    }
    assert len(tokens) == 2


# -- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"profile": "h100"}, "t4"),
        ({"profile": ["t4"]}, "must be one text out of: t4"),
        ({"profile": "greedy"}, "5000 GiB, and the limit is 200 GiB"),
    ],
)
async def test_a_choice_that_is_not_allowed_is_refused_and_makes_nothing(stage, options, sentence):
    stage.student()
    answer = await stage.start(options=options)
    assert answer.status_code == 400
    assert sentence in answer.json()["message"]
    assert stage.view() is None
    assert stage.provider.called("create") == []


async def test_a_choice_that_is_allowed_is_not_refused(stage):
    stage.student()
    assert (await stage.start(options={"profile": "t4"})).status_code == 201


async def test_a_full_cloud_ends_the_progress_page_with_a_sentence(stage):
    stage.provider.latency = 0.3  # so that somebody is watching when the answer comes
    stage.provider.refuse("small")
    stage.hasty()
    stage.student()
    answer = await stage.start()
    assert answer.status_code == 202
    events = await stage.events()
    assert events[-1]["failed"] is True
    assert stage.view().because.text() in events[-1]["message"]
    assert 'lang="ko"' in events[-1]["html_message"]
    assert (stage.view().desired, stage.view().reason) == (Desired.STOPPED, Reason.CAPACITY)
    assert await stage.machines() == []


async def test_a_full_zone_does_not_end_it(stage):
    stage.provider.refuse(Placement("fake-1", "fake-1a", "small"))
    stage.student()
    assert (await stage.start()).status_code == 201
    assert [machine.placement.zone for machine in await stage.machines()] == ["fake-1b"]


# -- cancelled ------------------------------------------------------------------------------


async def test_a_start_cancelled_while_the_machine_boots_leaves_nothing_billed(stage):
    stage.agents.quiet = True
    stage.hasty()
    stage.student()
    await stage.start()
    await stage.until(lambda: stage.agents.environments)
    await stage.stop()
    await stage.until(lambda: stage.view().billed is False)
    assert await stage.powers() == [Power.STOPPED]
    await stage.until(lambda: not stage.spawner().active)


async def test_a_start_cancelled_while_the_cloud_is_asked_leaves_nothing_billed(stage):
    stage.provider.latency = 0.3
    stage.hasty()
    stage.student()
    await stage.start()
    await stage.until(lambda: stage.provider.called("create"))
    assert stage.provider.cloud.vms == {}
    await stage.stop()
    await stage.until(lambda: stage.view().power is Power.STOPPED)
    assert len(stage.provider.called("create")) == 1
    await stage.until(lambda: not stage.spawner().active)


async def test_a_start_that_is_not_cancelled_goes_on(stage):
    stage.provider.latency = 0.1
    stage.student()
    assert (await stage.start()).status_code == 201


# -- deleted --------------------------------------------------------------------------------


async def test_a_named_server_that_is_deleted_leaves_its_home_and_nothing_else(stage):
    stage.student()
    await stage.start(server="second")
    [home] = await stage.homes()
    assert (await stage.remove()).status_code == 204
    await stage.until(lambda: stage.view(server="second") is None)
    assert await stage.machines() == []
    assert [(one.id, one.machine_id) for one in await stage.homes()] == [(home.id, None)]


async def test_a_named_server_that_is_only_stopped_keeps_its_machine(stage):
    stage.student()
    await stage.start(server="second")
    await stage.stop(server="second")
    assert await stage.powers() == [Power.STOPPED]
    assert stage.view(server="second").desired is Desired.STOPPED


async def test_a_user_who_is_deleted_leaves_homes_and_no_machine(stage):
    stage.student()
    await stage.start()
    await stage.start(server="second")
    await stage.stop(server="second")  # the hub refuses to delete who has a named server running
    assert (await stage.remove_user()).status_code == 204
    await stage.until(lambda: stage.view() is None and stage.view(server="second") is None)
    assert await stage.machines() == []
    assert [home.machine_id for home in await stage.homes()] == [None, None]


async def test_another_user_is_not_touched_by_it(stage):
    for name in ("alice", "bob"):
        stage.student(name)
        await stage.start(name)
    await stage.remove_user()
    await stage.until(lambda: stage.view() is None)
    assert stage.view("bob").desired is Desired.RUNNING
    assert await stage.powers() == [Power.RUNNING]


# -- restarts -------------------------------------------------------------------------------


async def test_a_restarted_hub_adopts_what_runs(stage):
    stage.student()
    await stage.start()
    await asyncio.wait_for(await stage.restart(), 30)
    spawner = stage.spawner()
    assert spawner.ready
    assert await spawner.get_url() == stage.view().url
    assert stage.view().generation == 1
    assert await stage.powers() == [Power.RUNNING]


async def test_a_restarted_hub_does_not_adopt_what_has_ended(stage):
    stage.student()
    await stage.start()
    [machine] = await stage.machines()
    stage.provider.poweroff(machine.id)
    await stage.until(lambda: stage.view().billed is False)
    await asyncio.wait_for(await stage.restart(), 30)
    assert await stage.spawner().poll_and_notify() == 0
    assert stage.user().running is False
    assert stage.view().reason is Reason.MACHINE_ENDED


async def test_a_restarted_controller_goes_on_where_it_was(stage):
    stage.agents.quiet = True
    stage.hasty()
    stage.student()
    await stage.start()
    await stage.until(lambda: stage.agents.environments)
    future = stage.spawner()._spawn_future
    await stage.controller.close()
    await stage.controller.open()
    stage.agents.quiet = False
    await asyncio.wait_for(future, 30)
    assert stage.spawner().ready
    assert len(stage.provider.called("create")) == 1

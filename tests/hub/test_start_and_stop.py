"""What happens to the bill when…: the hub's own behaviours, with a real hub and a fake controller."""

from __future__ import annotations

import asyncio
import socket
from datetime import datetime, timezone

import pytest
from jupyterhub import orm
from jupyterhub.tests.utils import api_request

from gpuspawner.errors import CapacityError, ControllerUnavailable
from gpuspawner.language import COOKIE
from gpuspawner.model import Desired, Owner, Reason, Specification, Stage
from gpuspawner.names import user_id


def closed_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def settings(**values):
    return pytest.mark.parametrize("stage", [values], indirect=True)


# -- a start --------------------------------------------------------------------------------


async def test_a_start_is_ready_when_the_server_is_up(stage):
    stage.student()
    spawner = await stage.started()
    assert await spawner.poll() is None
    assert spawner.server.port == int(stage.server_url.rpartition(":")[2])
    assert stage.controller.asked("POST") == []


async def test_a_start_is_not_ready_before(stage):
    stage.student()
    spawner = await stage.pending()
    stage.controller.happens(Stage.SERVER, "The server starts.")
    assert spawner.pending == "spawn"
    assert await spawner.poll() is None


async def test_the_machine_is_told_what_the_server_needs_and_nothing_of_the_hub(stage, monkeypatch):
    monkeypatch.setenv("CONFIGPROXY_AUTH_TOKEN", "secret of the proxy")
    user = stage.student()
    spawner = await stage.started()
    environment = stage.controller.environments[spawner.claim_name]
    assert environment["JUPYTERHUB_USER"] == "alice"
    assert environment["JUPYTERHUB_API_TOKEN"] == spawner.api_token
    assert environment["JUPYTERHUB_SERVICE_PREFIX"] == user.base_url
    assert "PATH" not in environment
    assert "secret of the proxy" not in environment.values()
    assert stage.controller.commands[spawner.claim_name] == ["jupyterhub-singleuser"]
    assert stage.controller.only().owner.user_id == user_id(user.id, user.created)


@pytest.mark.parametrize(
    ("headers", "language"),
    [
        ({}, "en"),
        ({"Accept-Language": "ko-KR,ko;q=0.9,en;q=0.8"}, "ko"),
        ({"Accept-Language": "ko", "Cookie": f"{COOKIE}=en"}, "en"),
    ],
)
async def test_the_machine_is_told_in_which_language_its_student_reads(stage, headers, language):
    stage.student()
    await stage.start(**headers)
    environment = stage.controller.environments[stage.spawner().claim_name]
    assert environment["GPUSPAWNER_LANGUAGE"] == language


async def test_a_start_that_is_stopped_leaves_nothing_billed(stage):
    stage.student()
    await stage.started()
    stage.patient()
    assert (await stage.stop()).status_code == 204
    assert (stage.controller.only().desired, stage.controller.only().billed) == (
        Desired.STOPPED,
        False,
    )
    assert stage.user().running is False


async def test_a_stop_waits_until_nothing_is_billed(stage):
    stage.controller.off_at_once = False
    stage.student()
    spawner = await stage.started()
    assert (await stage.stop()).status_code == 202
    assert spawner.pending == "stop"
    future = spawner._stop_future
    stage.controller.power_off()
    await asyncio.wait_for(future, 20)
    assert not spawner.active


async def test_a_second_start_opens_a_new_generation(stage):
    stage.student()
    await stage.started()
    stage.patient()
    await stage.stop()
    stage.hasty()
    await stage.started()
    assert stage.controller.only().generation == 2


async def test_named_servers_have_machines_of_their_own(stage):
    stage.student()
    first = await stage.started()
    second = await stage.started(server="second")
    assert first.claim_name != second.claim_name
    stage.patient()
    await stage.stop(server="second")
    wishes = {view.owner.server_name: view.desired for view in stage.controller.claims.values()}
    assert wishes == {"": Desired.RUNNING, "second": Desired.STOPPED}


async def test_a_named_server_that_is_deleted_gives_its_claim_up(stage):
    stage.student()
    spawner = await stage.started(server="second")
    stage.patient()
    await stage.stop(server="second")
    await spawner.delete_forever()
    assert stage.controller.only().desired is Desired.DELETED


# -- A: a server that never answers ---------------------------------------------------------


@settings(http_timeout=1)
async def test_a_server_that_never_answers_is_stopped(stage):
    stage.student()
    spawner = await stage.pending()
    future = spawner._spawn_future
    stage.controller.up(closed_port())
    await asyncio.wait({future}, timeout=20)
    assert isinstance(future.exception(), TimeoutError)
    assert len(stage.controller.asked("POST")) == 1
    assert stage.controller.only().billed is False


# -- B: a start that takes too long ---------------------------------------------------------


@settings(start_timeout=1)
async def test_a_request_in_flight_at_the_time_out_is_taken_back(stage):
    stage.controller.hold_put = asyncio.Event()
    stage.student()
    spawner = await stage.pending()
    future = spawner._spawn_future
    await stage.controller.until(lambda: stage.controller.put_seen.is_set())
    await asyncio.wait({spawner._put}, timeout=1.5)
    assert stage.controller.claims == {}
    stage.controller.hold_put.set()
    await asyncio.wait({future}, timeout=20)
    await stage.controller.until(lambda: stage.controller.asked("POST"))
    assert stage.controller.only().desired is Desired.STOPPED
    assert stage.controller.only().billed is False


@settings(start_timeout=1)
async def test_a_start_that_takes_too_long_ends_with_our_sentence(stage):
    stage.student()
    error = await stage.failed(await stage.pending())
    assert error.reason == "start_timeout"
    assert "did not come up in time" in error.jupyterhub_message
    view = stage.controller.only()
    assert (view.desired, view.reason, view.billed) == (
        Desired.STOPPED,
        Reason.START_TIMEOUT,
        False,
    )


@settings(start_timeout=1)
async def test_a_controller_that_hangs_does_not_keep_the_student_from_being_told(stage):
    stage.student()
    spawner = await stage.pending()
    stage.controller.hold_stops = asyncio.Event()
    error = await stage.failed(spawner)
    assert error.reason == "start_timeout"
    assert "did not come up in time" in error.jupyterhub_message
    stage.controller.hold_stops.set()
    await asyncio.wait_for(
        stage.controller.until(lambda: stage.controller.only().desired is Desired.STOPPED), 20
    )
    assert stage.controller.only().reason is Reason.START_TIMEOUT


@settings(start_timeout=1)
async def test_the_controller_is_told_to_give_up_before_the_hub_does(stage):
    stage.student()
    await stage.pending()
    view = stage.controller.only()
    assert 0 < (view.start_by - view.desired_at).total_seconds() < 1


# -- S: the student cancels -----------------------------------------------------------------


async def test_a_cancelled_start_is_taken_back(stage):
    stage.student()
    spawner = await stage.pending()
    stage.controller.happens(Stage.BOOT, "It boots.")
    answer = await stage.stop()
    assert answer.status_code in (202, 204)
    if spawner._stop_future:
        await spawner._stop_future
    assert (stage.controller.only().desired, stage.controller.only().billed) == (
        Desired.STOPPED,
        False,
    )
    assert not spawner.active


async def test_a_start_cancelled_while_it_is_being_asked_for_is_taken_back(stage):
    stage.controller.hold_put = asyncio.Event()
    stage.student()
    spawner = await stage.pending()
    await stage.controller.until(lambda: stage.controller.put_seen.is_set())
    cancelling = asyncio.ensure_future(stage.stop())
    await asyncio.wait({spawner._spawn_future}, timeout=5)
    assert await spawner.poll() is None
    assert stage.controller.claims == {}
    stage.controller.hold_put.set()
    await cancelling
    if spawner._stop_future:
        await spawner._stop_future
    assert (stage.controller.only().desired, stage.controller.only().billed) == (
        Desired.STOPPED,
        False,
    )


# -- C and D: the hub is killed -------------------------------------------------------------


async def test_a_restarted_hub_keeps_what_runs(stage):
    stage.student()
    await stage.started()
    await (await stage.restart())
    assert stage.spawner().ready
    assert stage.controller.asked("POST") == []


async def test_a_restarted_hub_waits_for_a_controller_that_is_late(stage):
    stage.student()
    await stage.started()
    stage.controller.snapshots_held = asyncio.Event()
    before = stage.controller.connections
    adopting = await stage.restart()
    await stage.controller.until(lambda: stage.controller.connections > before)
    assert stage.spawner().pending == "check"
    assert await stage.spawner().poll() is None
    stage.controller.snapshots_held.set()
    await asyncio.wait_for(adopting, 20)
    assert stage.spawner().ready


async def test_a_controller_that_has_not_seen_the_cloud_cannot_end_anything(stage):
    stage.student()
    await stage.started()
    stage.controller.ends(Reason.MACHINE_ENDED, "It has ended.")
    stage.controller.observed = False
    before = stage.controller.connections
    adopting = await stage.restart()
    await stage.controller.until(lambda: stage.controller.connections > before)
    spawner = stage.spawner()
    await spawner.client.wait_for("", lambda: spawner.client.mirror.ready)
    assert (spawner.pending, await spawner.poll(), adopting.done()) == ("check", None, False)
    stage.controller.see_the_cloud()
    await asyncio.wait_for(adopting, 20)
    assert stage.user().running is False
    assert stage.controller.asked("POST") == []


async def test_a_session_that_a_backup_of_the_hub_does_not_know_is_ended(stage):
    stage.student()
    await stage.started()
    name = stage.controller.only().name
    stage.patient()
    await stage.stop()
    await stage.started()
    orm_spawner = stage.spawner().orm_spawner
    orm_spawner.state = {**orm_spawner.state, "generation": 1}  # as it was yesterday
    stage.app.db.commit()
    await asyncio.wait_for(await stage.restart(), 20)
    assert stage.user().running is False
    assert stage.controller.asked("POST")[-1] == {"generation": 2, "reason": "hub_forgot"}
    assert stage.controller.claims[name].billed is False


async def test_a_second_start_that_a_kill_interrupted_is_not_taken_for_a_lost_session(stage):
    student = stage.student()
    name = (await stage.started()).claim_name
    stage.patient()
    await stage.stop()
    orm_spawner = student.orm_user.orm_spawners[""]
    orm_spawner.server = orm.Server(base_url=student.base_url, ip="", port=12345)
    stage.app.db.commit()
    await _somebody_put(stage, name)
    stops = len(stage.controller.asked("POST"))
    adopting = await stage.restart()
    stage.controller.up(stage.server_url, name)
    await asyncio.wait_for(adopting, 20)
    assert stage.spawner().ready
    assert stage.controller.only().generation == 2
    assert len(stage.controller.asked("POST")) == stops


async def test_a_restarted_hub_drops_what_has_ended(stage):
    stage.student()
    spawner = await stage.started()
    stage.controller.ends(Reason.MACHINE_ENDED, "It has ended.")
    client = spawner.client
    await client.wait_for(spawner.claim_name, lambda: not spawner.view.billed)
    dict.clear(stage.app.users)
    await stage.app.init_spawners()
    assert stage.user().running is False
    assert stage.controller.asked("POST") == []


async def test_a_start_that_a_killed_hub_left_behind_is_adopted_at_its_new_address(stage):
    name = stage.left_behind()
    await _somebody_put(stage, name)
    adopting = await stage.restart()
    await stage.controller.until(lambda: stage.controller.connections > 1)
    assert not adopting.done()
    stage.controller.up(stage.server_url, name)
    await asyncio.wait_for(adopting, 20)
    spawner = stage.spawner()
    assert spawner.ready
    assert spawner.server.port == int(stage.server_url.rpartition(":")[2])


@settings(http_timeout=1)
async def test_a_start_left_behind_that_never_answers_is_stopped(stage):
    name = stage.left_behind()
    await _somebody_put(stage, name)
    stage.controller.up(closed_port(), name)
    await asyncio.wait_for(await stage.restart(), 20)
    assert stage.user().running is False
    assert stage.controller.only().billed is False


async def _somebody_put(stage, name):
    """The claim that the killed hub had put."""
    await stage.spawner().client.put(
        name,
        owner=Owner("1", "alice", ""),
        specification=Specification("t4", "T4 GPU", ("g4dn.xlarge",)),
        environment={},
        command=["jupyterhub-singleuser"],
        port=8888,
        start_by=datetime.now(timezone.utc),
    )


# -- the controller -------------------------------------------------------------------------


async def test_without_a_controller_nothing_is_started_and_the_student_is_told(stage):
    stage.student()
    await stage.controller.close()
    answer = await stage.start()
    error = await stage.failed(stage.spawner()) if answer.status_code == 202 else None
    text = error.jupyterhub_message if error else answer.json()["message"]
    assert "does not answer" in text


async def test_a_controller_that_is_restarted_fails_nobody(stage):
    stage.student()
    spawner = await stage.pending()
    port = stage.controller.port
    await stage.controller.close()
    await stage.controller.open(port)
    future = spawner._spawn_future
    stage.controller.up(stage.server_url)
    await asyncio.wait_for(future, 20)
    assert spawner.ready


async def test_a_request_whose_answer_is_lost_is_stopped_all_the_same(stage):
    stage.controller.lose_put = True
    stage.student()
    answer = await stage.start()
    if answer.status_code == 202:
        await stage.failed(stage.spawner())
    assert stage.controller.only().desired is Desired.STOPPED
    assert stage.controller.only().billed is False


async def test_a_request_carried_out_after_the_start_was_refused_is_taken_back(stage):
    stage.controller.late_puts = []
    stage.student()
    answer = await stage.start()
    if answer.status_code == 202:
        await stage.failed(stage.spawner())
    assert stage.controller.claims == {}
    await stage.controller.carry_out_late()
    await asyncio.wait_for(
        stage.controller.until(lambda: stage.controller.only().desired is Desired.STOPPED), 20
    )


async def test_a_request_that_comes_late_is_not_confused_with_the_next_start(stage):
    stage.controller.late_puts = []
    stage.student()
    answer = await stage.start()
    if answer.status_code == 202:
        await stage.failed(stage.spawner())
    stage.controller.late_puts = None
    assert (await stage.start()).status_code in (201, 202)  # the hub has a new spawner for it
    await asyncio.wait_for(stage.controller.until(lambda: stage.controller.claims), 20)
    next_one = stage.spawner()
    assert not [task for task in next_one._watches.values() if not task.done()]
    assert stage.controller.only().desired is Desired.RUNNING


async def test_a_stop_that_cannot_be_told_goes_on_in_the_background(stage):
    stage.student()
    spawner = await stage.started()
    port = stage.controller.port
    await stage.controller.close()
    await stage.stop()
    if spawner._stop_future:
        await spawner._stop_future
    assert stage.controller.only().desired is Desired.RUNNING
    await stage.controller.open(port)
    await asyncio.wait_for(
        stage.controller.until(lambda: stage.controller.only().desired is Desired.STOPPED), 20
    )


async def test_a_stop_not_heard_yet_does_not_hit_the_next_start(stage):
    stage.student()
    spawner = await stage.started()
    stage.controller.refuse_stops = True
    await stage.stop()
    if spawner._stop_future:
        await spawner._stop_future
    next_one = await stage.pending()
    stage.controller.refuse_stops = False
    assert not [task for task in next_one._stops.values() if not task.done()]
    assert stage.controller.only().desired is Desired.RUNNING


async def test_a_delete_that_cannot_be_told_goes_on_in_the_background(stage):
    stage.student()
    spawner = await stage.started(server="second")
    stage.patient()
    await stage.stop(server="second")
    port = stage.controller.port
    await stage.controller.close()
    with pytest.raises(ControllerUnavailable):
        await spawner.delete_forever()
    assert stage.controller.only().desired is Desired.STOPPED
    await stage.controller.open(port)
    await asyncio.wait_for(
        stage.controller.until(lambda: stage.controller.only().desired is Desired.DELETED), 20
    )


async def test_a_delete_not_heard_yet_does_not_hit_the_next_start(stage):
    stage.student()
    spawner = await stage.started(server="second")
    stage.patient()
    await stage.stop(server="second")
    stage.controller.refuse_stops = True
    with pytest.raises(ControllerUnavailable):
        await spawner.delete_forever()
    stage.hasty()
    next_one = await stage.pending(server="second")
    stage.controller.refuse_stops = False
    assert not [task for task in next_one._stops.values() if not task.done()]
    assert stage.controller.only().desired is Desired.RUNNING


async def test_a_session_that_a_rule_ended_is_dropped_without_another_stop(stage):
    stage.student()
    spawner = await stage.started()
    stage.controller.ends(Reason.MACHINE_ENDED, "Nobody used it.")
    await spawner.client.wait_for(spawner.claim_name, lambda: not spawner.view.billed)
    assert await spawner.poll_and_notify() == 0
    assert stage.user().running is False
    assert stage.controller.asked("POST") == []


async def test_a_session_that_is_being_ended_is_kept_until_nothing_is_billed(stage):
    stage.student()
    spawner = await stage.started()
    stage.controller.ends(Reason.MACHINE_ENDED, "Nobody used it.", billed=True)
    await spawner.client.wait_for(
        spawner.claim_name, lambda: spawner.view.desired is Desired.STOPPED
    )
    assert await spawner.poll_and_notify() is None
    assert stage.user().running is True


# -- E and F: refusals ----------------------------------------------------------------------


@settings(consecutive_failure_limit=3)
async def test_a_full_cloud_does_not_end_the_hub(stage):
    stage.patient()
    stage.controller.refuse_put = CapacityError()
    for name in ("a", "b", "c", "d"):
        stage.student(name)
        assert (await stage.start(name)).status_code == 409
    assert stage.app.tornado_settings["failure_count"] == 0


async def test_a_refusal_at_once_is_the_answer(stage):
    stage.patient()
    stage.controller.refuse_put = CapacityError("InsufficientInstanceCapacity in subscription 42")
    stage.student()
    answer = await stage.start()
    assert answer.status_code == 409
    assert answer.json()["message"] == CapacityError.sentence.text()


async def test_a_refusal_later_is_told_in_both_languages(stage):
    stage.student()
    await stage.pending()
    begun = asyncio.Event()
    watching = asyncio.ensure_future(stage.events(begun=begun))
    await begun.wait()
    stage.controller.ends(Reason.CAPACITY, "No machine in zone <a>.")
    last = (await watching)[-1]
    assert last["failed"] is True
    assert last["message"] == "Spawn failed: No machine in zone <a>."
    assert 'lang="ko"' in last["html_message"]
    assert "zone &lt;a&gt;" in last["html_message"]


async def test_the_reason_is_one_of_a_fixed_set(stage):
    stage.student()
    spawner = await stage.pending()
    stage.controller.ends(Reason.BOOT_FAILED, "It did not boot.")
    error = await stage.failed(spawner)
    assert error.reason in {reason.value for reason in Reason}
    assert error.reason == "boot_failed"


# -- progress -------------------------------------------------------------------------------


async def test_every_viewer_sees_the_whole_story(stage):
    stage.student()
    spawner = await stage.pending()
    stage.controller.happens(Stage.CAPACITY, "Found.", after=2)
    stage.controller.happens(Stage.BOOT, "It boots.", after=65)
    await spawner.client.wait_for(spawner.claim_name, lambda: len(spawner.view.history) == 2)
    begun = [asyncio.Event(), asyncio.Event()]
    watching = [asyncio.ensure_future(stage.events(begun=event)) for event in begun]
    await asyncio.gather(*(event.wait() for event in begun))
    future = spawner._spawn_future
    stage.controller.up(stage.server_url)
    await future
    for events in await asyncio.gather(*watching):
        story = [(e.get("stage"), e.get("progress"), e.get("elapsed")) for e in events]
        assert ("capacity", 10, 2) in story
        assert ("boot", 45, 65) in story
        assert events[-1]["ready"] is True
        assert any("1:05" in e.get("html_message", "") for e in events)


async def test_what_usually_happens_is_said(stage):
    stage.student()
    spawner = await stage.pending()
    first = await spawner.progress().__anext__()
    assert "It usually takes about 4 min." in first["message"]


# -- encryption between the hub and its servers ---------------------------------------------


async def test_internal_ssl_is_refused_before_anything_is_started(stage):
    stage.patient()
    stage.student()
    spawner = stage.user().spawners[""]
    spawner.internal_ssl = True
    answer = await stage.start()
    assert (answer.status_code, answer.json()["message"]) == (
        409,
        "The hub's configuration has a mistake. Your administrator must correct it.",
    )
    assert stage.controller.claims == {}


# -- renaming -------------------------------------------------------------------------------


async def test_a_server_with_a_machine_is_not_renamed(stage):
    stage.student()
    await stage.started(server="second")
    stage.patient()
    await stage.stop(server="second")
    answer = await api_request(
        stage.app,
        "users/alice/servers/second",
        method="patch",
        data='{"name": "third"}',
        bypass_proxy=True,
    )
    assert answer.status_code == 400
    assert "cannot be renamed" in answer.json()["message"]


async def test_the_state_holds_no_secret(stage):
    stage.student()
    spawner = await stage.started()
    state = spawner.get_state()
    assert state == {
        "claim": spawner.claim_name,
        "generation": 1,
        "profile": "t4",
        "size": "g4dn.xlarge",
        "price_micros": 526_000,
        "currency": "USD",
    }

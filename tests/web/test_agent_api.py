"""What a machine may ask, and what it is told."""

from __future__ import annotations

import io

import aiohttp
import pytest

from tests.controllers.stage import IDENTITY, name_of
from tests.web.house import House, house

KEY, OTHER_KEY = "a" * 64, "b" * 64


@pytest.fixture
async def there(tmp_path):
    async with house(tmp_path) as one:
        yield one


async def ticket(there: House, user: str = "alice") -> str:
    [machine] = await there.stage.machines(user)
    return IDENTITY.ticket(machine.intent)


async def started(there: House, user: str = "alice") -> str:
    """Start, boot and register; the machine's token."""
    await there.put(user)
    await there.pass_time(30)
    _status, said = await there.ask(
        "POST", "agent/register", {"ticket": await ticket(there, user), "key": KEY}, token=""
    )
    return f"{said['machine']}.{KEY}"


async def report(there: House, token: str, stage: str, generation: int = 1):
    return await there.ask(
        "POST", "agent/report", {"generation": generation, "stage": stage}, token=token
    )


async def beat(there: House, token: str, generation: int = 1):
    return await there.ask("POST", "agent/heartbeat", {"generation": generation}, token=token)


async def test_a_ticket_is_good_for_one_key_as_often_as_it_is_shown(there: House):
    await there.put("alice")
    await there.pass_time(30)
    body = {"ticket": await ticket(there), "key": KEY}
    first = await there.ask("POST", "agent/register", body, token="")
    assert first[0] == 200
    assert await there.ask("POST", "agent/register", body, token="") == first


async def test_a_ticket_is_not_good_for_a_second_key(there: House):
    await started(there)
    status, said = await there.ask(
        "POST", "agent/register", {"ticket": await ticket(there), "key": OTHER_KEY}, token=""
    )
    assert (status, said["error"]) == (409, "key-conflict")


async def test_a_ticket_dies_with_the_start(there: House):
    await there.put("alice")
    await there.pass_time(30)
    body = {"ticket": await ticket(there), "key": KEY}
    await there.ask("POST", f"claims/{name_of('alice')}/stop", {"generation": 1})
    status, said = await there.ask("POST", "agent/register", body, token="")
    assert (status, said["error"]) == (410, "ticket-expired")


async def test_a_forged_ticket_or_token_is_not_known(there: House):
    await started(there)
    [machine] = await there.stage.machines("alice")
    forged = {"ticket": f"{machine.intent}.{'0' * 64}", "key": KEY}
    assert (await there.ask("POST", "agent/register", forged, token=""))[0] == 401
    for token in ("", "x", f"{machine.intent}.{KEY}", f"{machine.intent}.{'0' * 64}.{KEY}"):
        assert (await there.ask("GET", "agent/environment", token=token))[0] == 401


async def test_the_environment_waits_for_the_home_and_names_its_device(there: House):
    token = await started(there)
    await there.pass_time(30)
    status, said = await there.ask("GET", "agent/environment", token=token)
    [machine] = await there.stage.machines("alice")
    [home] = await there.stage.homes("alice")
    assert status == 200
    assert said["environment"] == {"JUPYTERHUB_API_TOKEN": "a-secret-token"}
    assert (said["address"], said["home"]) == (machine.address, {"device": home.device})
    assert said["generation"] == 1


async def test_up_makes_the_claim_ready_at_the_address_that_the_cloud_lists(there: House):
    token = await started(there)
    for stage in ("boot", "home", "server"):
        assert await report(there, token, stage) == (200, {})
    _status, view = await there.ask("GET", f"claims/{name_of('alice')}")
    assert (view["stage"], view["url"]) == ("server", None)

    await report(there, token, "up")
    _status, view = await there.ask("GET", f"claims/{name_of('alice')}")
    [machine] = await there.stage.machines("alice")
    assert (view["stage"], view["url"]) == ("ready", f"http://{machine.address}:8888")


async def test_an_up_of_an_older_generation_counts_for_nothing(there: House):
    token = await started(there)
    await there.put("alice")
    await report(there, token, "up", generation=1)
    _status, view = await there.ask("GET", f"claims/{name_of('alice')}")
    assert (view["generation"], view["url"]) == (2, None)


async def test_a_failure_ends_the_wish_and_the_machine_is_stopped(there: House):
    token = await started(there)
    await there.ask(
        "POST",
        "agent/report",
        {"generation": 1, "stage": "failed", "detail": "no module named x"},
        token=token,
    )
    _status, view = await there.ask("GET", f"claims/{name_of('alice')}")
    assert (view["desired"], view["reason"]) == ("stopped", "boot_failed")
    assert "no module" not in view["because"]["message"]
    await there.pass_time(60)
    assert await there.stage.billed() == []


async def test_a_heartbeat_is_told_to_keep_on_and_then_to_save(there: House):
    token = await started(there)
    await report(there, token, "up")
    _status, said = await beat(there, token)
    assert (said["verdict"], said["generation"], said["next_heartbeat_seconds"]) == (
        "keep",
        1,
        10.0,
    )
    await there.ask("POST", f"claims/{name_of('alice')}/stop", {"generation": 1})
    _status, said = await beat(there, token)
    assert (said["verdict"], said["reason"], said["save_seconds"]) == (
        "save_and_stop",
        "user",
        60.0,
    )


async def test_a_machine_is_told_how_much_of_its_time_to_save_is_left_and_when_none_is(
    there: House,
):
    token = await started(there)
    await report(there, token, "up")
    _status, said = await beat(there, token)
    assert said["save_seconds"] is None
    await there.ask("POST", f"claims/{name_of('alice')}/stop", {"generation": 1})
    told = []
    for seconds in (20, 30, 11):
        there.stage.clock.turn(seconds)
        _status, said = await beat(there, token)
        told.append((said["verdict"], said["save_seconds"]))
    assert told == [("save_and_stop", 40.0), ("save_and_stop", 10.0), ("stop_now", None)]


async def test_a_machine_that_has_saved_is_stopped_in_the_next_pass(there: House):
    token = await started(there)
    await report(there, token, "up")
    await beat(there, token)
    await there.ask("POST", f"claims/{name_of('alice')}/stop", {"generation": 1})
    await there.controller.tick()
    assert there.stage.asked("stop") == 0
    await report(there, token, "saved")
    await there.controller.tick()
    assert there.stage.asked("stop") == 1


async def test_no_environment_is_given_when_no_session_is_wanted(there: House):
    token = await started(there)
    await there.ask("POST", f"claims/{name_of('alice')}/stop", {"generation": 1})
    status, said = await there.ask("GET", "agent/environment", token=token)
    assert (status, said["error"]) == (409, "not-wanted")


async def test_a_machine_of_a_forgotten_claim_is_not_known(there: House):
    token = await started(there)
    await there.ask("DELETE", f"claims/{name_of('alice')}")
    await there.pass_time(120)
    assert (await beat(there, token))[0] == 401


@pytest.mark.parametrize(
    "body",
    [
        {"generation": "x"},
        {"generation": 1, "sequence": -1},
        {"generation": 1, "facts": "many"},
        {"generation": 1, "boot_id": "x" * 10_000},
        {"generation": 1, "facts": {"server": {"human_age": "12"}}},
        {"generation": 1, "facts": {"gpus": [{"mean_5min": 101}]}},
        {"generation": 1, "facts": {"gpus": [{}] * 65}},
    ],
)
async def test_a_malformed_heartbeat_is_refused_and_counted(there: House, body):
    token = await started(there)
    status, said = await there.ask("POST", "agent/heartbeat", body, token=token)
    assert (status, said["error"]) == (400, "heartbeat-refused")
    assert there.controller.services.heartbeats_refused == {"wrong": 1}
    assert (await there.stage.claim("alice")).heartbeat_at is None


async def test_a_heartbeat_that_was_heard_before_is_refused(there: House):
    token = await started(there)

    async def say(boot: str, sequence: int) -> int:
        body = {"generation": 1, "boot_id": boot, "sequence": sequence}
        return (await there.ask("POST", "agent/heartbeat", body, token=token))[0]

    assert [await say("a", 7), await say("a", 8), await say("b", 1)] == [200, 200, 200]
    assert [await say("b", 1), await say("b", 0), await say("a", 9)] == [400, 400, 400]
    assert await say("b", 2) == 200
    assert there.controller.services.heartbeats_refused == {"replayed": 3}


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        ({"server": {"human_age": -1}}, "future"),
        ({"server_age": -0.5}, "future"),
        ({"x": "y" * 200_000}, "giant"),
    ],
)
async def test_what_is_to_come_or_too_much_is_refused_by_its_kind(there: House, facts, kind):
    token = await started(there)
    body = {"generation": 1, "facts": facts}
    assert (await there.ask("POST", "agent/heartbeat", body, token=token))[0] == 400
    assert there.controller.services.heartbeats_refused == {kind: 1}


async def test_a_forged_heartbeat_is_counted(there: House):
    token = await started(there)
    assert (await beat(there, token[:-1] + ("0" if token[-1] != "0" else "1")))[0] == 401
    assert there.controller.services.heartbeats_refused == {"forged": 1}


async def test_a_giant_body_is_not_read(there: House):
    token = await started(there)
    giant = io.BytesIO(b'{"generation": 1, "facts": {"x": "' + b"y" * 3_000_000 + b'"}}')
    headers = {"Authorization": f"Bearer {token}"}
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await there.session.post(f"{there.url}api/v1/agent/heartbeat", data=giant, headers=headers)
    assert (await there.stage.claim("alice")).heartbeat_at is None

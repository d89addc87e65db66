"""The buttons: more time, a lease, a hold, the end; and what a machine is told of it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from gpuspawner.hub_api import Hub
from gpuspawner.web.application import SERVICE_PREFIX
from gpuspawner.web.people import introduce
from tests.controllers.stage import IDENTITY, name_of
from tests.web import hub_auth
from tests.web.house import House, house
from tests.web.test_agent_api import report, started
from tests.web.test_pages import hub, page

NOBODY = {
    "gpus": [{"mean_5min": 0.0}],
    "processor": {"student_percent_5min": 0.0, "terminal_child": False},
    "server": {"kernels": {"busy": 0}, "tabs": {"open": 0}},
    "server_age": 1.0,
}


@pytest.fixture
async def there(tmp_path, monkeypatch):
    async with hub() as api, house(tmp_path, hub=Hub(api, "token")) as one:
        monkeypatch.setenv("JUPYTERHUB_API_URL", api)
        monkeypatch.delenv("JUPYTERHUB_BASE_URL", raising=False)
        hub_auth.forget()
        introduce(IDENTITY.service_token, SERVICE_PREFIX)
        yield one
        await hub_auth.close_client()
        hub_auth.forget()


async def up(there: House) -> str:
    """A session that is up; the machine's token."""
    token = await started(there)
    await report(there, token, "up")
    await beat(there, token)
    return token


async def beat(there: House, token: str, **facts):
    sequence = int(there.stage.clock.monotonic() * 1000)
    body = {"generation": 1, "boot_id": "a", "sequence": sequence, "facts": NOBODY | facts}
    status, said = await there.ask("POST", "agent/heartbeat", body, token=token)
    assert status == 200
    return said


async def passes(there: House, token: str, minutes: float):
    """Time passes, and the machine speaks; the last thing that it was told."""
    for _ in range(int(minutes * 2)):
        await there.stage.clock.advance(30)
        said = await beat(there, token)
        await there.controller.culler.look()
    await there.controller.board.refresh()
    return await _again(there, token) if minutes else said


async def _again(there: House, token: str):
    await there.stage.clock.advance(1)
    return await beat(there, token)


async def press(there: House, button: str, who: str = "alice", **body):
    body = {"generation": 1} | body
    return await there.ask("POST", f"claims/{name_of('alice')}/{button}", body, token=who)


async def test_a_machine_is_told_what_it_does_why_and_when_it_stops(there: House):
    token = await up(there)
    said = await passes(there, token, 1)
    deadline = datetime.fromisoformat(said["deadline"]) - there.stage.clock.now()
    assert timedelta(minutes=13) < deadline < timedelta(minutes=15)
    assert said["verdict"] == "keep"
    assert said["session"]["because"]["en"] == "It waits for somebody to open it."
    assert said["session"] | {"because": None} == {
        "mode": "no_show", "because": None, "extensions_left": 3, "extension_seconds": 1800.0,
        "lease_until": None, "save": None,
    }  # fmt: skip


async def test_a_warning_comes_with_the_reason_and_near_the_end_everything_is_to_be_saved(there):
    token = await up(there)
    said = await passes(there, token, 11)
    assert (said["verdict"], said["reason"], said["next_heartbeat_seconds"], said["session"]["save"]) == (
        "warn", "no_show", 5.0, None,
    )  # fmt: skip
    assert said["sentence"]["en"].startswith("Nobody has opened it yet")
    said = await passes(there, token, 3)
    saves = said["session"]["save"]
    assert saves
    await there.stage.clock.advance(5)
    assert (await beat(there, token))["session"]["save"] == saves


async def test_the_end_is_told_to_the_machine_and_on_the_page(there: House):
    token = await up(there)
    said = await passes(there, token, 16)
    assert (said["verdict"], said["reason"], said["session"]["save"]) == (
        "save_and_stop", "no_show", "1-stop",
    )  # fmt: skip
    _status, shown = await page(there)
    assert "nobody opened it for 15 minutes" in shown.get_text()


async def test_keep_running_gives_half_an_hour_and_three_of_them_a_day(there: House):
    token = await up(there)
    await passes(there, token, 11)
    now = there.stage.clock.now()
    answers = [await press(there, "keep") for _ in range(4)]
    assert [status for status, _said in answers] == [200, 200, 200, 409]
    assert [said["extensions_left"] for _status, said in answers[:3]] == [2, 1, 0]
    until = datetime.fromisoformat(answers[0][1]["until"])
    assert timedelta(minutes=33) < until - now < timedelta(minutes=35)
    assert (answers[3][1]["error"], answers[3][1]["sentence"]["values"]) == (
        "no-more-time", {"count": 3},
    )  # fmt: skip
    said = await passes(there, token, 1)
    assert (said["verdict"], said["session"]["extensions_left"]) == ("keep", 0)


async def test_a_lease_is_told_to_the_machine(there: House):
    token = await up(there)
    status, said = await press(there, "lease")
    assert (status, said["because"]["en"]) == (
        200,
        "It goes on while it works, for 12 hours at most.",
    )
    assert (await passes(there, token, 1))["session"]["lease_until"]


@pytest.mark.parametrize("button", ["keep", "lease", "stop", "hold"])
@pytest.mark.parametrize(("who", "status"), [("bob", 404), ("stranger", 403), ("", 403)])
async def test_nobody_presses_anothers_buttons(there: House, button, who, status):
    await up(there)
    assert (await press(there, button, who))[0] == status
    claim = await there.stage.claim("alice")
    assert claim.desired == "running"


@pytest.mark.parametrize("button", ["keep", "lease", "stop"])
async def test_a_button_of_an_earlier_session_does_nothing(there: House, button):
    await up(there)
    status, said = await press(there, button, generation=0)
    assert (status, said["error"]) == (409, "generation-mismatch")


async def test_a_student_stops_the_own_machine(there: House):
    await up(there)
    status, said = await press(there, "stop")
    claim = await there.stage.claim("alice")
    assert (status, said["until"], claim.desired, claim.reason) == (200, None, "stopped", "user")


async def test_only_an_administrator_holds_a_machine(there: House):
    token = await up(there)
    until = (there.stage.clock.now() + timedelta(hours=2)).isoformat()
    assert (await press(there, "hold", until=until))[0] == 403
    assert (await press(there, "hold", "teacher", until=until))[0] == 200
    assert (await passes(there, token, 30))["session"]["mode"] == "held"
    assert (await press(there, "hold", "teacher"))[0] == 200
    assert (await passes(there, token, 1))["verdict"] == "warn"


async def test_the_page_has_the_button_and_what_it_is_for(there: House):
    token = await up(there)
    await passes(there, token, 11)
    _status, shown = await page(there)
    [row] = shown.select("[data-claim]")
    assert "Stops at" in row.get_text()
    form = {"machine": name_of("alice"), "action": "keep"}
    assert (await page(there, "alice", "POST", form))[0] == 302
    assert (await passes(there, token, 5))["verdict"] == "keep"
    assert (await there.stage.claim("alice")).desired == "running"


async def test_metrics_and_status_tell_what_sessions_do(there: House):
    token = await up(there)
    await passes(there, token, 16)
    headers = {"Authorization": f"Bearer {IDENTITY.claims_token}"}
    async with there.session.get(f"{there.url}metrics", headers=headers) as answer:
        told = await answer.text()
    assert 'gpuspawner_sessions_stopped_total{reason="no_show"} 1.0' in told
    assert 'gpuspawner_heartbeats_refused_total{kind="replayed"} 0.0' in told
    _status, said = await there.ask("GET", "status")
    assert (said["stopped_by_mistake"], said["claims"][0]["session"]) == (0, None)

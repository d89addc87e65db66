"""What the hub asks the controller, and what it is answered."""

from __future__ import annotations

import json

import pytest

from gpuspawner.errors import ProviderUnavailable
from gpuspawner.views import ClaimView
from gpuspawner.web.application import ROUTES
from tests.controllers.stage import IDENTITY, SMALL, name_of
from tests.web.house import House, house


@pytest.fixture
async def there(tmp_path):
    async with house(tmp_path) as one:
        yield one


async def test_nobody_without_the_token_is_answered(there: House):
    for token in ("", "wrong", "a" * 64):
        status, said = await there.ask("GET", "claims", token=token)
        assert (status, said["error"]) == (403, "http-403")


async def test_a_claim_is_put_shown_stopped_and_deleted(there: House):
    status, view = await there.put("alice")
    assert (status, view["desired"], view["generation"], view["billed"]) == (
        200,
        "running",
        1,
        False,
    )
    assert await there.ask("GET", f"claims/{name_of('alice')}") == (200, view)

    status, stopped = await there.ask(
        "POST", f"claims/{name_of('alice')}/stop", {"generation": 1, "reason": "user"}
    )
    assert (status, stopped["desired"], stopped["reason"]) == (200, "stopped", "user")
    status, deleted = await there.ask("DELETE", f"claims/{name_of('alice')}")
    assert (status, deleted["desired"]) == (202, "deleted")


async def test_no_answer_shows_the_environment(there: House):
    await there.put("alice")
    for path in ("claims", f"claims/{name_of('alice')}", "status"):
        _status, said = await there.ask("GET", path)
        assert "a-secret-token" not in json.dumps(said)


async def test_a_stop_of_an_older_generation_is_refused(there: House):
    await there.put("alice")
    await there.put("alice")
    status, said = await there.ask(
        "POST", f"claims/{name_of('alice')}/stop", {"generation": 1, "reason": "user"}
    )
    assert (status, said["error"]) == (409, "generation-mismatch")


async def test_another_user_id_under_the_same_name_is_refused(there: House):
    await there.put("alice")
    owner = {"user_id": "someone-else", "user_name": "alice", "server_name": ""}
    status, said = await there.put("alice", owner=owner)
    assert (status, said["error"], said["reason"]) == (409, "not-the-owner", "home_owner")


@pytest.mark.parametrize("path", ["claims/gs-none", "machines-of-mine", "x"])
async def test_what_does_not_exist_is_a_sentence_with_404(there: House, path):
    status, said = await there.ask("GET", path)
    assert status in (403, 404)
    assert said["sentence"]["message"]


MALFORMED = {
    "no body": None,
    "a list": [],
    "no owner": {"owner": None},
    "a number for a name": {"owner": {"user_id": 7, "user_name": 3, "server_name": []}},
    "no sizes": {"specification": SMALL.to_json() | {"sizes": []}},
    "a size with a shell in it": {"specification": SMALL.to_json() | {"sizes": ["$(reboot)"]}},
    "a disk that is text": {"specification": SMALL.to_json() | {"disk_gib": "60"}},
    "a negative home": {"specification": SMALL.to_json() | {"home_gib": -1}},
    "too large a home": {"specification": SMALL.to_json() | {"home_gib": 10**9}},
    "a naive time": {"start_by": "2026-01-01T00:00:00"},
    "an environment of lists": {"environment": {"A": ["b"]}},
    "ten kilobytes": {"owner": {"user_id": "x" * 10_000, "user_name": "a", "server_name": ""}},
}


@pytest.mark.parametrize("wrong", MALFORMED.values(), ids=MALFORMED.keys())
async def test_a_malformed_claim_is_refused_and_changes_nothing(there: House, wrong):
    body = there.claim("alice") | wrong if isinstance(wrong, dict) else wrong
    status, said = await there.ask("PUT", f"claims/{name_of('alice')}", body)
    assert (status, said["error"]) == (400, "specification-refused")
    assert "x" * 100 not in json.dumps(said)
    assert (await there.ask("GET", f"claims/{name_of('alice')}"))[0] == 404


async def test_a_name_that_is_no_claims_name_is_refused(there: House):
    status, said = await there.ask("PUT", "claims/alice", there.claim("alice"))
    assert (status, said["error"]) == (400, "specification-refused")


async def test_the_stream_begins_with_a_snapshot_and_numbers_every_change(there: House):
    await there.controller.tick()
    headers = {"Authorization": f"Bearer {there.controller.services.identity.claims_token}"}
    async with there.session.get(f"{there.url}api/v1/claims?watch=1", headers=headers) as stream:
        first = json.loads(await stream.content.readline())
        assert (first["type"], first["observed"], first["claims"]) == ("snapshot", True, [])
        assert [card["size"] for card in first["sizes"]] == ["small", "large"]
        await there.put("alice")
        second = json.loads(await stream.content.readline())
    assert (second["type"], second["number"]) == ("claim", first["number"] + 1)
    assert ClaimView.from_json(second["claim"]).owner.user_name == "alice"


async def test_a_claim_is_billed_from_the_intent_until_its_machine_is_off(there: House):
    await there.put("alice")
    seen = []
    for _ in range(12):
        await there.pass_time(3)
        seen.append((await there.ask("GET", f"claims/{name_of('alice')}"))[1])
    assert all(view["billed"] for view in seen)
    await there.ask("POST", f"claims/{name_of('alice')}/stop", {"generation": 1})
    await there.pass_time(60)
    _status, off = await there.ask("GET", f"claims/{name_of('alice')}")
    assert (off["billed"], off["power"]) == (False, "stopped")


async def test_health_needs_no_token_and_tells_of_trouble(there: House):
    async def health():
        async with there.session.get(f"{there.url}health") as answer:
            assert answer.status == 200
            return (await answer.json())["status"]

    async def acts():
        async with there.session.get(f"{there.url}health?acts") as answer:
            return answer.status

    assert (await health(), await acts()) == ("starting", 503)
    await there.controller.tick()
    assert (await health(), await acts()) == ("ok", 200)
    there.stage.provider.fail_next("list", ProviderUnavailable("an outage"))
    await there.controller.tick()
    assert (await health(), await acts()) == ("degraded", 503)


async def test_metrics_count_claims_and_machines(there: House):
    await there.put("alice")
    await there.pass_time(30)
    headers = {"Authorization": f"Bearer {there.controller.services.identity.claims_token}"}
    async with there.session.get(f"{there.url}metrics", headers=headers) as answer:
        text = await answer.text()
    assert 'gpuspawner_claims{desired="running"} 1.0' in text
    assert 'gpuspawner_machines{power="running"} 1.0' in text
    assert "alice" not in text


async def test_the_description_lists_every_route_that_there_is(there: House):
    _status, said = await there.ask("GET", "openapi.json", token="")
    described = {path.replace("{name}", "X").replace("{id}", "X") for path in said["paths"]}
    routed = {
        path.removeprefix("api/v1")
        .replace(r"([a-z0-9-]{1,64})", "X")
        .replace(r"([A-Za-z0-9_.-]{1,256})", "X")
        for path, _handler in ROUTES
        if path.startswith("api/v1/")
    } - {"/openapi.json"}
    assert described == routed


async def test_homes_are_listed_given_and_deleted(there: House):
    await there.put("alice")
    await there.pass_time(30)
    await there.ask("DELETE", f"claims/{name_of('alice')}")
    await there.pass_time(120)
    _status, [home] = await there.ask("GET", "homes")

    status, given = await there.ask("POST", f"homes/{home['id']}/give", {"user_name": "bob"})
    assert (status, given["claim"]) == (200, name_of("bob"))
    await there.put("bob")
    await there.pass_time(30)
    _status, [home] = await there.ask("GET", "homes")
    [machine] = await there.stage.machines("bob")
    assert home["machine"] == machine.id

    await there.ask("DELETE", f"claims/{name_of('bob')}")
    await there.pass_time(120)
    assert (await there.ask("DELETE", f"homes/{home['id']}"))[0] == 200
    await there.controller.tick()
    assert (await there.ask("GET", "homes"))[1] == []


async def test_a_home_that_is_attached_is_not_given_away(there: House):
    await there.put("alice")
    await there.pass_time(30)
    _status, [home] = await there.ask("GET", "homes")
    status, said = await there.ask("POST", f"homes/{home['id']}/give", {"user_name": "bob"})
    assert (status, said["error"]) == (409, "home-in-use")


async def test_the_status_names_the_hub_and_what_is_wrong_with_the_account(there: House):
    _status, said = await there.ask("GET", "status")
    assert said["hub_id"] == IDENTITY.hub_id
    assert said["findings"] == []


async def test_an_unknown_home_is_404(there: House):
    await there.controller.tick()
    assert (await there.ask("DELETE", "homes/vol-none"))[0] == 404

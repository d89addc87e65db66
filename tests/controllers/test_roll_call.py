"""The hub is asked which servers it has, over HTTP as JupyterHub answers it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import pytest
from aiohttp import web

from gpuspawner.controllers.roll_call import RollCall
from gpuspawner.hub_api import Hub
from gpuspawner.model import Claim, Desired, Owner, Reason, Specification
from gpuspawner.store import claims
from tests.controllers.stage import IDENTITY, Stage, name_of, record, staged


@pytest.fixture
async def stage(tmp_path):
    async with staged(tmp_path) as one:
        yield one


@dataclass
class FakeHub:
    """Answers `GET users` in pages of two, as JupyterHub 6 does for this Accept header."""

    servers: dict[str, list[str]] = field(default_factory=dict)
    fails_from_page: int | None = None
    tokens: set[str] = field(default_factory=set)

    async def users(self, request: web.Request) -> web.Response:
        assert request.headers["Accept"] == "application/jupyterhub-pagination+json"
        assert request.query["state"] == "active"
        self.tokens.add(request.headers["Authorization"])
        offset = int(request.query.get("offset", "0"))
        if self.fails_from_page is not None and offset // 2 >= self.fails_from_page:
            raise web.HTTPServiceUnavailable
        users = sorted(self.servers)
        following = None
        if offset + 2 < len(users):
            url = str(request.url.update_query(offset=offset + 2))
            following = {"offset": offset + 2, "limit": 2, "url": url}
        items = [
            {
                "name": user,
                "servers": {
                    name: {"ready": True, "last_activity": "2026-03-02T08:30:00Z"}
                    for name in self.servers[user]
                },
            }
            for user in users[offset : offset + 2]
        ]
        return web.json_response({"items": items, "_pagination": {"next": following}})


@pytest.fixture
async def hub():
    fake = FakeHub()
    app = web.Application()
    app.router.add_get("/hub/api/users", fake.users)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    fake.api = Hub(f"http://127.0.0.1:{port}/hub/api", "our-token")
    yield fake
    await runner.cleanup()


async def looks(stage: Stage, hub: FakeHub, times: int = 3, *, between=None) -> None:
    """A roll call, so many times, 90 s apart."""
    roll_call = RollCall(
        hub.api.servers, stage.database, stage.seen, stage.clock, record(), IDENTITY.hub_id
    )
    for number in range(times):
        if between:
            between(number)
        await roll_call.look()
        await stage.clock.advance(90)


async def test_every_server_on_every_page_is_heard(hub):
    hub.servers = {"ann": [""], "bob": ["", "second"], "eve": [""], "kim": []}
    at = datetime(2026, 3, 2, 8, 30, tzinfo=timezone.utc)
    whose = (("ann", ""), ("bob", ""), ("bob", "second"), ("eve", ""))
    assert await hub.api.servers() == dict.fromkeys(whose, at)
    assert hub.tokens == {"token our-token"}


@pytest.mark.parametrize("page", [0, 1])
async def test_an_answer_that_is_not_whole_is_no_answer(hub, page):
    hub.servers = {name: [""] for name in ("ann", "bob", "eve")}
    hub.fails_from_page = page
    assert await hub.api.servers() is None


async def test_a_session_that_the_hub_does_not_know_is_ended_with_a_reason(stage, hub):
    await stage.runs("alice")
    await looks(stage, hub)
    claim = await stage.claim("alice")
    assert (claim.desired, claim.reason) == (Desired.STOPPED, Reason.HUB_FORGOT)
    assert "no longer knew" in claim.because.text()


async def test_a_session_that_the_hub_knows_goes_on(stage, hub):
    await stage.runs("alice")
    hub.servers = {"alice": [""]}
    await looks(stage, hub, 5)
    assert (await stage.claim("alice")).desired is Desired.RUNNING


async def test_a_hub_that_is_down_ends_no_session(stage, hub):
    await stage.runs("alice")
    hub.fails_from_page = 0
    await looks(stage, hub, 9)
    assert (await stage.claim("alice")).desired is Desired.RUNNING


async def test_a_hub_that_was_down_in_between_is_asked_from_the_beginning(stage, hub):
    await stage.runs("alice")

    def down_at_the_third(number):
        hub.fails_from_page = 0 if number == 2 else None

    await looks(stage, hub, 4, between=down_at_the_third)
    assert (await stage.claim("alice")).desired is Desired.RUNNING


async def test_an_adopted_claim_gets_the_names_that_only_the_hub_knows(stage, hub):
    adopted = Claim(
        name_of("alice"),
        Owner("id-alice", "", ""),
        Specification("", "", ("small",)),
        Desired.RUNNING,
        1,
        stage.clock.now(),
        reason=Reason.ADOPTED,
        up_at=stage.clock.now() - timedelta(hours=1),
    )
    await stage.database.run(claims.adopt, adopted)
    hub.servers = {"alice": [""], "bob": [""]}
    await looks(stage, hub, 1)
    assert (await stage.claim("alice")).owner == Owner("id-alice", "alice", "")

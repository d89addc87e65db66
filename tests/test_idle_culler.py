"""The real jupyterhub-idle-culler, asking our rule about the servers of a hub."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone

import pytest
from aiohttp import web
from jupyterhub_idle_culler import cull_idle

from gpuspawner.idle_culler import arbiter
from tests.controllers.stage import IDENTITY
from tests.web.house import House, house

LOG = logging.getLogger(__name__)


@pytest.fixture
async def there(tmp_path):
    async with house(tmp_path) as one:
        yield one


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret"
    path.write_text(IDENTITY._secret.hex() + "\n", encoding="ascii")
    path.chmod(0o600)
    return path


@asynccontextmanager
async def hub(users: list[str], inactive: timedelta):
    """A hub with a server of each user; which of them it was asked to stop."""
    stopped: list[str] = []
    seen = (datetime.now(timezone.utc) - inactive).isoformat()

    async def listed(request):
        items = [
            {
                "name": user, "admin": False, "last_activity": seen, "created": seen,
                "servers": {"": {
                    "name": "", "ready": True, "pending": None, "started": seen,
                    "last_activity": seen, "url": f"/user/{user}/",
                }},
            }
            for user in users
        ]  # fmt: skip
        page = {"items": items, "_pagination": {"next": None}}
        paged = "pagination" in request.headers.get("Accept", "")
        return web.json_response(page if paged else items)

    async def root(_request):
        return web.json_response({"version": "6.1.1"})

    async def stop(request):
        stopped.append(request.match_info["name"])
        return web.Response(status=204)

    app = web.Application()
    app.router.add_get("/hub/api/users", listed)
    app.router.add_get("/hub/api/", root)
    app.router.add_delete("/hub/api/users/{name}/server", stop)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/hub/api", stopped
    await runner.cleanup()


async def cull(url: str, hook) -> None:
    await cull_idle(url, "token", 3600, LOG, cull_arbiter=hook)


def controller(there: House) -> str:
    return there.url.partition("/services/")[0]


async def ends(there: House, user: str) -> None:
    """The rule has said so, and nobody has carried it out: the culler looks once only."""
    await there.stage.runs(user)
    await there.controller.culler.look()
    await there.stage.clock.advance(3 * 3600)
    await there.controller.culler.look()
    await there.stage.clock.advance(360)
    await there.controller.culler.look()
    await there.controller.board.refresh()


async def test_a_server_of_ours_is_stopped_when_the_rule_says_so(there: House, secret):
    await ends(there, "alice")
    async with hub(["alice"], timedelta(0)) as (url, stopped):
        await cull(url, arbiter(controller(there), secret))
        assert stopped == ["alice"]


async def test_a_server_of_ours_is_not_stopped_for_what_the_hub_alone_sees(there: House, secret):
    await there.stage.runs("alice")
    await there.controller.culler.look()
    await there.controller.board.refresh()
    async with hub(["alice"], timedelta(hours=9)) as (url, stopped):
        await cull(url, arbiter(controller(there), secret))
        assert stopped == []


@pytest.mark.parametrize(("inactive", "expected"), [(0.5, []), (2, ["zoe"])])
async def test_any_other_server_is_judged_as_before(there: House, secret, inactive, expected):
    async with hub(["zoe"], timedelta(hours=inactive)) as (url, stopped):
        await cull(url, arbiter(controller(there), secret))
        assert stopped == expected


async def test_without_a_controller_nothing_is_stopped(secret):
    async with hub(["alice"], timedelta(hours=9)) as (url, stopped):
        await cull(url, arbiter("http://127.0.0.1:9", secret))
        assert stopped == []

"""A real JupyterHub in this process with a null proxy, a fake controller and a tiny server."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from aiohttp import web
from jupyterhub import __version__ as hub_version
from jupyterhub import orm
from jupyterhub.proxy import Proxy
from jupyterhub.tests.utils import add_user, api_request, auth_header
from jupyterhub.utils import url_path_join

from gpuspawner import identity
from gpuspawner.client import ControllerClient
from gpuspawner.configuration import TEMPLATES
from gpuspawner.spawner import GPUSpawner
from tests.hub.fake_controller import FakeController

PROFILES = [
    {
        "display_name": "T4 GPU",
        "slug": "t4",
        "gpuspawner_override": {"sizes": ["g4dn.xlarge"]},
        "profile_options": {"image": {"choices": {"tf": {}, "torch": {}}}},
    },
    {
        "display_name": "Big",
        "slug": "big",
        "groups": ["thesis"],
        "gpuspawner_override": {"sizes": ["p4d"]},
    },
]


class NullProxy(Proxy):
    """Routes nothing: these tests are about machines."""

    should_start = False

    async def get_all_routes(self):
        return {}

    async def add_route(self, routespec, target, data):
        pass

    async def delete_route(self, routespec):
        pass


class Stage:
    """The play's stage: a hub, a controller and the student's server."""

    def __init__(self, app, controller, server_url):
        self.app, self.controller, self.server_url = app, controller, server_url
        self.generations = {}

    def student(self, name="alice"):
        return add_user(self.app.db, app=self.app, name=name)

    def user(self, name="alice"):
        return self.app.users[name]

    def spawner(self, name="alice", server=""):
        return self.user(name).spawners[server]

    def patient(self):
        """Let the hub wait for the end of each request, however busy the machine is."""
        self.app.tornado_settings["slow_spawn_timeout"] = 30
        self.app.tornado_settings["slow_stop_timeout"] = 30

    def hasty(self):
        """Let the hub answer at once, and go on in the background."""
        self.app.tornado_settings["slow_spawn_timeout"] = 0.3
        self.app.tornado_settings["slow_stop_timeout"] = 0.3

    async def start(self, name="alice", options=None, server="", **headers):
        """Ask for a start, and go on when the controller has been asked, if it can be."""
        path = ("servers", server) if server else ("server",)
        body = json.dumps({"user_options": options}) if options is not None else None
        answer = await api_request(
            self.app, "users", name, *path, method="post", data=body, bypass_proxy=True,
            headers=headers,
        )  # fmt: skip
        fake = self.controller
        answered = fake.is_open and not (fake.hold_put or fake.refuse_put)
        if answer.status_code == 202 and answered and fake.late_puts is None:
            claim = self.spawner(name, server).claim_name
            known = self.generations.get(claim, 0)
            await asyncio.wait_for(
                fake.until(lambda: claim in fake.claims and fake.claims[claim].generation > known),
                20,
            )
            self.generations[claim] = fake.claims[claim].generation
        return answer

    async def stop(self, name="alice", server=""):
        path = ("servers", server) if server else ("server",)
        return await api_request(self.app, "users", name, *path, method="delete", bypass_proxy=True)

    async def pending(self, name="alice", server=""):
        """Start, and go on when the claim has been put and is being followed."""
        answer = await self.start(name, server=server)
        assert answer.status_code == 202
        return self.spawner(name, server)

    async def started(self, name="alice", server=""):
        """Start, and go on when the hub says ready."""
        spawner = await self.pending(name, server)
        future = spawner._spawn_future
        self.controller.up(self.server_url, spawner.claim_name)
        await asyncio.wait_for(future, 20)
        assert spawner.ready
        return spawner

    async def failed(self, spawner):
        """Wait for the end of a start that fails, and return why."""
        future = spawner._spawn_future
        await asyncio.wait({future}, timeout=20)
        return None if future.cancelled() else future.exception()

    async def events(self, name="alice", begun=None):
        """What the hub's progress stream says, to its end; `begun` is set at its first event."""
        url = url_path_join(self.app.hub.url, "api/users", name, "server/progress")
        headers = auth_header(self.app.db, name)
        events = []
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
            async for line in answer.content:
                if line.startswith(b"data:"):
                    events.append(json.loads(line[5:]))
                    if begun is not None:
                        begun.set()
        return events

    async def restart(self):
        """What a killed hub does when it is back: nothing is remembered but the database."""
        dict.clear(self.app.users)
        await ControllerClient.close_shared()
        return asyncio.ensure_future(self.app.init_spawners())

    def left_behind(self, name="alice"):
        """A row as a hub leaves it that is killed in the middle of a start."""
        user = self.student(name)
        server = orm.Server(base_url=f"{user.base_url}", ip="", port=12345)
        self.app.db.add(server)
        user.spawners[""].orm_spawner.server = server
        user.spawners[""].orm_spawner.state = {}
        self.app.db.commit()
        return user.spawners[""].claim_name


async def _answer(request):
    return web.Response(text="{}", headers={"X-JupyterHub-Version": hub_version})


@pytest.fixture
async def server_url():
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", _answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    await runner.cleanup()


@pytest.fixture
async def controller(tmp_path):
    fake = await FakeController(identity.load(tmp_path / "secret").claims_token).open()
    yield fake
    await fake.close()


@pytest.fixture
def tidy():
    """Closes what MockHub leaves open, when it is done with it."""
    apps = []
    yield apps
    for app in apps:
        app.db.close()
        app.db.get_bind().dispose()
        app.db_file.close()


@pytest.fixture
async def stage(tidy, hub_app, controller, server_url, tmp_path, request):
    """A hub whose spawner is set as the test's parameter says."""
    settings = getattr(request, "param", {})
    app = await hub_app(
        config={
            "JupyterHub": {
                "spawner_class": GPUSpawner,
                "proxy_class": NullProxy,
                "allow_named_servers": True,
                "cleanup_servers": False,
                "redirect_to_server": False,
                "cookie_secret": b"0" * 32,
                "template_paths": [str(TEMPLATES)],
                "jinja_environment_options": {"extensions": ["gpuspawner.spawner_pages.Sentences"]},
                "tornado_settings": {"slow_spawn_timeout": 0.3, "slow_stop_timeout": 0.3},
            },
            "GPUSpawner": {
                "controller_url": controller.url,
                "secret_file": str(tmp_path / "secret"),
                "profile_list": PROFILES,
                "controller_timeout": 0.3,
                "stop_timeout": 20,
                "poll_interval": 0,
                **settings,
            },
        }
    )
    tidy.append(app)
    yield Stage(app, controller, server_url)
    for task in list(GPUSpawner._background):
        task.cancel()
    await asyncio.gather(*GPUSpawner._background, return_exceptions=True)
    GPUSpawner._stops.clear()
    await ControllerClient.close_shared()

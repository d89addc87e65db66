"""A hub and the real controller with its database, before a quick cloud in memory with agents on it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, replace
from datetime import timedelta

import aiohttp
from jupyterhub.tests.utils import api_request
from tornado.testing import bind_unused_port
from traitlets.config import Config

import gpuspawner
from gpuspawner import identity
from gpuspawner.app import Controller
from gpuspawner.client import ControllerClient
from gpuspawner.clock import SystemClock
from gpuspawner.hub_api import Hub
from gpuspawner.model import Power
from gpuspawner.names import claim_name
from gpuspawner.policy.money import seconds_of
from gpuspawner.settings import AgentRecord, Credit
from gpuspawner.settings.whole import Settings
from gpuspawner.spawner import GPUSpawner
from gpuspawner.store import allowance
from gpuspawner.store.database import Database
from gpuspawner.testing import FakeProvider
from gpuspawner.testing.cloud import Delays
from gpuspawner.web.application import application, http_server
from gpuspawner.web.people import introduce
from tests.controllers.stage import record
from tests.hub.conftest import NullProxy, Stage
from tests.web import hub_auth

BASE = "/class/"
SERVICE = f"{BASE}services/gpuspawner/"
CLOCK = SystemClock()
FREE = Credit(enforce=False).record()
QUICK = Delays(pending=0.2, stopping=0.2, deleting=0.2, home=0.1)
PROFILES = [
    {"display_name": "One T4", "slug": "t4", "gpuspawner_override": {"sizes": ["small"]}},
    {
        "display_name": "Greedy",
        "slug": "greedy",
        "gpuspawner_override": {"sizes": ["small"], "home_gib": 5000},
    },
]


class Loopback(FakeProvider):
    """A cloud whose machines are all at 127.0.0.1, where the student's server is."""

    async def list(self, missed=()):
        world = await super().list(missed)
        here = tuple(replace(machine, address="127.0.0.1") for machine in world.machines)
        return replace(world, machines=here)


@dataclass
class Agents:
    """The agent of every machine that is on, as docs/explain/protocols.md has it.

    Attributes:
        quiet: they register and beat, but do not report that the server is up.
        environments: what each machine was told to start its server with, by machine and generation.
        saved: the machines that reported `saved`, in order.
        told: what heartbeats were answered, in order.
    """

    provider: Loopback
    ours: identity.Identity
    url: str

    def __post_init__(self):
        self.quiet = False
        self.environments, self.saved, self.asleep, self.told = {}, [], {}, []

    async def run(self):
        """Every machine that is switched on gets an agent, until it is off."""
        async with aiohttp.ClientSession() as self._http:
            agents = {}
            try:
                while True:
                    for machine in (await self.provider.list()).machines:
                        of = (machine.id, machine.powered_at)
                        if machine.power is Power.RUNNING and of not in agents:
                            agents[of] = asyncio.create_task(self._serve(machine))
                    await CLOCK.sleep(0.05)
            finally:
                for agent in agents.values():
                    agent.cancel()
                ended = await asyncio.gather(*agents.values(), return_exceptions=True)
                errors = [one for one in ended if isinstance(one, AssertionError)]
                assert errors == []

    async def _serve(self, machine):
        key = self.ours.hub_id * 8
        body = {"ticket": self.ours.ticket(machine.intent), "key": key}
        status, said = await self._ask("POST", "register", body)
        token = f"{said['machine']}.{key}" if status == 200 else ""
        generation, reported = None, False
        while await self._is_on(machine):
            status, said = await self._ask("GET", "environment", token=token)
            if status == 200:
                if said["generation"] != generation:
                    generation, reported = said["generation"], False
                    self.environments[machine.id, generation] = said
                if not self.quiet and not reported and said["home"]:
                    for stage in ("boot", "home", "server", "up"):
                        await self._report(token, generation, stage)
                    reported = True
            if generation is not None:
                beat = {"generation": generation}
                _status, said = await self._ask("POST", "heartbeat", beat, token)
                self.told.append(said)
                if said.get("verdict") == "save_and_stop":
                    await self._report(token, generation, "saved")
                    self.saved.append(machine.id)
                    return
            await CLOCK.sleep(0.05)

    async def _is_on(self, machine):
        now = {one.id: one.power for one in (await self.provider.list()).machines}
        return now.get(machine.id) is Power.RUNNING

    async def _report(self, token, generation, stage):
        await self._ask("POST", "report", {"generation": generation, "stage": stage}, token)

    async def _ask(self, method, path, body=None, token=""):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"{self.url}{SERVICE}api/v1/agent/{path}"
        try:
            async with self._http.request(method, url, json=body, headers=headers) as answer:
                return answer.status, await answer.json()
        except aiohttp.ClientError:
            return 0, {}  # the controller is being restarted


class LateHub(Hub):
    """The hub that the controller asks: it opens after the controller, at a port of its own choice."""

    def opens(self, app):
        self._url = f"http://127.0.0.1:{app.hub.port}{BASE}hub/api"


class Running:
    """The controller's application, listening; it can be ended and begun again."""

    def __init__(self, provider, ours, folder, port, credit):
        self.provider, self.ours, self.folder, self.port = provider, ours, folder, port
        self.url = f"http://127.0.0.1:{port}"
        self.hub = LateHub("http://127.0.0.1:1", ours.service_token)
        self.settings = Settings(
            record(
                public_url=self.url + BASE,
                fast_interval=timedelta(seconds=0.1),
                slow_interval=timedelta(seconds=1),
                save_timeout=timedelta(seconds=5),
            ),
            AgentRecord(0.1, 1800.0, 600.0),
            None,
            ours,
            credit,
        )

    async def open(self, socket=None):
        url = f"sqlite:///{self.folder}/gpuspawner.sqlite"
        self.database = Database(url, self.ours.encryption_key)
        await asyncio.to_thread(self.database.migrate)
        await self.database.run(allowance.set_up, self.settings.credit, seconds_of(CLOCK.now()))
        self.controller = Controller(
            self.settings, self.provider, self.database, CLOCK, hub=self.hub
        )
        self.server = http_server(application(self.controller.services, SERVICE))
        if socket:
            self.server.add_socket(socket)
        else:
            self.server.listen(self.port, "127.0.0.1")
        self.task = asyncio.create_task(self.controller.run())

    async def close(self):
        self.server.stop()
        await self.server.close_all_connections()
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task
        await asyncio.to_thread(self.database.close)


class School(Stage):
    """A hub, and all that is behind it. `controller` is a `Running`."""

    provider: Loopback
    agents: Agents

    async def start(self, name="alice", options=None, server=""):
        path = ("servers", server) if server else ("server",)
        body = json.dumps({"user_options": options}) if options is not None else None
        return await api_request(
            self.app, "users", name, *path, method="post", data=body, bypass_proxy=True
        )

    async def remove(self, name="alice", server="second"):
        """Delete a named server for good."""
        return await api_request(
            self.app, "users", name, "servers", server,
            method="delete", data=json.dumps({"remove": True}), bypass_proxy=True,
        )  # fmt: skip

    async def remove_user(self, name="alice"):
        return await api_request(self.app, "users", name, method="delete", bypass_proxy=True)

    async def machines(self):
        return list((await self.provider.list()).machines)

    async def powers(self):
        return [machine.power for machine in await self.machines()]

    async def homes(self):
        return list((await self.provider.list()).homes)

    def view(self, name="alice", server=""):
        """What the controller shows of a claim; None when it is forgotten."""
        claim = claim_name(self.controller.ours.hub_id, name, server)
        return self.controller.controller.board.views.get(claim)

    async def until(self, true, seconds=30):
        """Wait for a condition, with a deadline; fails with the world."""
        end = CLOCK.monotonic() + seconds
        while True:
            found = true()
            found = await found if asyncio.iscoroutine(found) else found
            if found:
                return found
            assert CLOCK.monotonic() < end, await self.world()
            await CLOCK.sleep(0.02)

    async def world(self):
        board = self.controller.controller.board
        views = [json.dumps(view.to_json(), indent=1) for view in board.views.values()]
        calls = [call.method for call in self.provider.calls if call.method != "list"]
        return "\n".join(
            [*views, *map(repr, await self.machines()), f"{calls=}", f"{board.problems=}"]
        )


@contextlib.asynccontextmanager
async def school(
    hub_app, tidy, server_url, folder, monkeypatch, *, credit=FREE, rate=None, more=lambda _c: None
):
    """A school that is open. `credit` is what it has, `rate` what every size costs, if not as listed.

    `more` adds to the hub's configuration.
    """
    ours = identity.load(folder / "secret")
    socket, port = bind_unused_port()
    provider = Loopback(CLOCK, ours.hub_id)
    provider.cloud.delays = QUICK
    if rate is not None:
        listed = [replace(quote, rate=rate) for quote in provider.prices()]
        provider.prices = lambda: listed
    running = Running(provider, ours, folder, port, credit)
    agents = Agents(provider, ours, running.url)
    _as_a_service(monkeypatch, ours)
    await running.open(socket)  # first, since the hub waits for its services
    config = _config(folder, running.url, server_url)
    more(config)
    app = await hub_app(config=config)
    tidy.append(app)
    running.hub.opens(app)
    _as_a_service(monkeypatch, ours, f"http://127.0.0.1:{app.hub.port}{BASE}hub/api")
    speaking = asyncio.create_task(agents.run())
    stage = School(app, running, server_url)
    stage.provider, stage.agents = provider, agents
    try:
        yield stage
    finally:
        speaking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await speaking
        for task in list(GPUSpawner._background):
            task.cancel()
        await asyncio.gather(*GPUSpawner._background, return_exceptions=True)
        GPUSpawner._stops.clear()
        await ControllerClient.close_shared()
        await running.close()
        hub_auth.forget()


def _config(folder, controller_url, server_url):
    c = Config()
    gpuspawner.configure(
        c,
        public_url="http://127.0.0.1:8000/class/",
        controller_url=controller_url,
        managed=False,
        secret_file=folder / "secret",
        config_file=folder / "jupyterhub_config.py",
    )
    c.JupyterHub.base_url = BASE
    c.JupyterHub.proxy_class = NullProxy
    c.JupyterHub.allow_named_servers = True
    c.JupyterHub.cookie_secret = b"0" * 32
    c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 30, "slow_stop_timeout": 30}
    c.GPUSpawner.profile_list = PROFILES
    c.GPUSpawner.port = int(server_url.rpartition(":")[2])
    c.GPUSpawner.poll_interval = 0
    return c


def _as_a_service(monkeypatch, ours, api="http://127.0.0.1:1/hub/api"):
    """What the controller's process would know of its hub."""
    monkeypatch.setenv("JUPYTERHUB_BASE_URL", BASE)
    monkeypatch.setenv("JUPYTERHUB_API_URL", api)
    hub_auth.forget()
    introduce(ours.service_token, SERVICE)

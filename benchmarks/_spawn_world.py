"""All that is not the hub: the real controller, a cloud in memory, its agents, one stub server.

A process of its own, so that nothing of it is counted as the hub's. Machines are on half a second
after they were asked for; each then has an agent that registers, waits for its home and reports
that the server is up. Every server is the same stub, which answers the hub's question whether it
is there.

Usage: _spawn_world.py SECRET FOLDER CONTROLLER-PORT SERVER-PORT
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from jupyterhub import __version__ as hub_version

from gpuspawner import identity, settings
from gpuspawner.app import Controller
from gpuspawner.clock import SystemClock
from gpuspawner.model import Machine, Power, World
from gpuspawner.settings.whole import Settings
from gpuspawner.store.database import Database
from gpuspawner.testing import FakeProvider
from gpuspawner.testing.cloud import Delays
from gpuspawner.web.application import API, SERVICE_PREFIX, application, http_server
from gpuspawner.web.people import introduce

CLOCK = SystemClock()
DELAYS = Delays(pending=0.5, stopping=0.5, deleting=0.5, home=0.2)


class Loopback(FakeProvider):
    """A cloud whose machines are all at 127.0.0.1, where the stub is."""

    async def list(self, missed: Collection[str] = ()) -> World:
        """Everything, at one address."""
        world = await super().list(missed)
        here = tuple(replace(one, address="127.0.0.1") for one in world.machines)
        return replace(world, machines=here)


class Agents:
    """What speaks on each machine that is on."""

    def __init__(self, provider: Loopback, ours: identity.Identity, url: str) -> None:
        self.provider, self.ours, self.url = provider, ours, url

    async def run(self) -> None:
        """For ever."""
        met: set[str] = set()
        async with aiohttp.ClientSession() as self.http, asyncio.TaskGroup() as group:
            while True:
                for vm in self.provider.cloud.vms.values():
                    if vm.machine.power is Power.RUNNING and vm.machine.id not in met:
                        met.add(vm.machine.id)
                        group.create_task(self.serve(vm.machine))
                await CLOCK.sleep(0.05)

    async def serve(self, machine: Machine) -> None:
        """Register, wait for the home, report."""
        key = self.ours.hub_id * 8
        body = {"ticket": self.ours.ticket(machine.intent or ""), "key": key}
        _, said = await self.ask("POST", "register", body)
        token = f"{said['machine']}.{key}"
        while True:
            status, said = await self.ask("GET", "environment", token=token)
            if status == 200 and said["home"]:
                break
            await CLOCK.sleep(1.0)
        for stage in ("boot", "home", "server", "up"):
            report = {"generation": said["generation"], "stage": stage}
            await self.ask("POST", "report", report, token)

    async def ask(
        self, method: str, path: str, body: object = None, token: str = ""
    ) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"{self.url}{SERVICE_PREFIX}{API}/agent/{path}"
        async with self.http.request(method, url, json=body, headers=headers) as answer:
            return answer.status, await answer.json()


async def stub(port: int) -> None:
    """The single-user server of everybody."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text="{}", headers={"X-JupyterHub-Version": hub_version})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()


async def main(secret: Path, folder: Path, port: int, server_port: int) -> None:
    url = f"http://127.0.0.1:{port}"
    ours = identity.load(secret)
    introduce(ours.service_token, SERVICE_PREFIX)
    record = settings.Controller(public_url=url, fast_interval=1.0).record(folder)
    database = Database(f"sqlite:///{folder}/gpuspawner.sqlite", ours.encryption_key)
    database.migrate()
    provider = Loopback(CLOCK, ours.hub_id)
    provider.cloud.delays, provider.cloud.quota = DELAYS, 1e9
    free = settings.Credit(enforce=False).record()  # it measures machines
    loaded = Settings(record, settings.Agent().record(), None, ours, free)
    controller = Controller(loaded, provider, database, CLOCK)
    await stub(server_port)
    server = http_server(application(controller.services))
    server.listen(port, "127.0.0.1")
    await asyncio.gather(controller.run(), Agents(provider, ours, url).run())


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))

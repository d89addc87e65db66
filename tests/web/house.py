"""The controller's faces over HTTP, with a cloud in memory behind them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
from tornado.testing import bind_unused_port

from gpuspawner.app import Controller
from gpuspawner.hub_api import Hub
from gpuspawner.settings import AgentRecord, Credit, CreditRecord
from gpuspawner.settings.whole import Settings
from gpuspawner.web.application import application, http_server
from tests.controllers.stage import IDENTITY, SMALL, Stage, name_of, record, staged
from tests.web import hub_auth

AGENT = AgentRecord(10.0, 1800.0, 600.0)
CREDIT = Credit(enforce=False).record()
"""Most of these plays are about machines, in a class that has no credit and needs none."""


@dataclass
class House:
    stage: Stage
    controller: Controller
    url: str
    session: aiohttp.ClientSession

    async def ask(self, method: str, path: str, body: Any = None, token: str | None = None, **more):
        """Status and decoded body of one request; the hub's token unless another is given."""
        token = IDENTITY.claims_token if token is None else token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.session.request(
            method, f"{self.url}api/v1/{path}", json=body, headers=headers, **more
        ) as answer:
            return answer.status, await answer.json()

    async def put(self, user: str, **changes):
        return await self.ask("PUT", f"claims/{name_of(user)}", self.claim(user) | changes)

    def claim(self, user: str) -> dict[str, Any]:
        start_by = self.stage.clock.now() + timedelta(seconds=600)
        return {
            "owner": {"user_id": hub_auth.id_of(user), "user_name": user, "server_name": ""},
            "specification": SMALL.to_json(),
            "environment": {"JUPYTERHUB_API_TOKEN": "a-secret-token"},
            "command": ["jupyterhub-singleuser"],
            "port": 8888,
            "start_by": start_by.isoformat(),
        }

    async def pass_time(self, seconds: float, every: float = 3) -> None:
        end = self.stage.clock.now() + timedelta(seconds=seconds)
        while self.stage.clock.now() < end:
            await self._look()
            await self.stage.clock.advance(every)
        await self._look()

    async def _look(self) -> None:
        """One pass, and what keeps the books after it."""
        await self.controller.tick()
        await self.controller._meter.look()


@asynccontextmanager
async def house(
    folder, cloud: Stage | None = None, hub: Hub | None = None, *, credit: CreditRecord = CREDIT
):
    async with staged(folder, cloud) as stage:
        settings = Settings(record(), AGENT, None, IDENTITY, credit)
        controller = Controller(settings, stage.provider, stage.database, stage.clock, hub=hub)
        socket, port = bind_unused_port()
        server = http_server(application(controller.services))
        server.add_socket(socket)
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{port}/services/gpuspawner/"
            yield House(stage, controller, url, session)
        server.stop()
        await server.close_all_connections()

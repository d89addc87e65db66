"""How a stub machine's agent reaches the controller: docs/explain/protocols.md, from the outside.

Written from that page and not from the real agent, so that the two check each other.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

TIMEOUT_SECONDS = 10.0
DEVICE = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_"
BY_LUN = "/dev/disk/azure/scsi1/"


class Unreachable(Exception):
    """No answer, or one that makes no sense."""


class Disowned(Exception):
    """The controller does not know this machine, or wants nothing of it."""


class NotOurs(Exception):
    """The user data says nothing to an agent."""


@dataclass(frozen=True)
class Orders:
    """What to serve, as the environment's answer says it; times in seconds.

    `issued` tells newer orders from older ones when the controller has lost its count.
    """

    generation: int
    issued: float
    environment: Mapping[str, str]
    address: str | None
    port: int
    home: str | None
    heartbeat_seconds: float
    unreachable_seconds: float
    disowned_seconds: float

    @property
    def session(self) -> tuple[int, float]:
        """What tells one session from every other."""
        return self.generation, self.issued

    @property
    def prefix(self) -> str:
        """Below which the server answers, with a slash at both ends."""
        return self.environment.get("JUPYTERHUB_SERVICE_PREFIX", "/").rstrip("/") + "/"


class Line:
    """One machine's line to the controller.

    Args:
        user_data: as EC2 has it.
        http: shared with the other machines, with its open connections.

    Raises:
        NotOurs: the user data is somebody else's.
    """

    def __init__(self, user_data: str, http: aiohttp.ClientSession) -> None:
        try:
            ours = json.loads(user_data.partition("\n")[2])["gpuspawner"]
            self._url, self.ticket = str(ours["url"]).rstrip("/"), str(ours["ticket"])
            self._tls: ssl.SSLContext | bool = True
            if ours.get("ca"):
                self._tls = ssl.create_default_context()
                self._tls.load_verify_locations(cadata=ours["ca"])
        except (ValueError, KeyError, TypeError) as error:
            raise NotOurs(str(error)) from error
        self._http = http
        self.bearer = ""
        self.cut = False

    async def register(self, key: str) -> None:
        """Exchange the ticket for a name of our own.

        Raises:
            Unreachable, Disowned: see there; so do all others here.
        """
        said = await self._send("POST", "register", {"ticket": self.ticket, "key": key})
        self.bearer = f"{said['machine']}.{key}"

    async def orders(self) -> Orders:
        """What is wanted now."""
        said = await self._send("GET", "environment")
        try:
            home = said["home"]
            return Orders(
                generation=int(said["generation"]),
                issued=float(said.get("issued") or 0),
                environment=dict(said["environment"]),
                address=said["address"],
                port=int(said["port"]),
                home=None if home is None else _volume(home["device"]),
                heartbeat_seconds=float(said["heartbeat_seconds"]),
                unreachable_seconds=float(said["unreachable_seconds"]),
                disowned_seconds=float(said["disowned_seconds"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise Unreachable(f"orders that make no sense: {error!r}") from error

    async def report(self, generation: int, stage: str, detail: str) -> None:
        """How far it is."""
        body = {"generation": generation, "stage": stage, "detail": detail}
        await self._send("POST", "report", body)

    async def heartbeat(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Say that we live, and hear what to do."""
        return await self._send("POST", "heartbeat", body)

    async def _send(
        self, method: str, name: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        if self.cut:
            raise Unreachable(f"{name}: the network is cut")
        headers = {"Authorization": f"Bearer {self.bearer}"} if name != "register" else {}
        try:
            async with self._http.request(
                method,
                f"{self._url}/{name}",
                json=body,
                headers=headers,
                ssl=self._tls,
                allow_redirects=False,
            ) as answer:
                status, said = answer.status, await answer.read()
        except (OSError, aiohttp.ClientError, asyncio.TimeoutError) as error:
            raise Unreachable(f"{name}: {error!r}") from error
        try:
            understood = json.loads(said)
        except ValueError:
            understood = None
        if status in (401, 403, 404, 409, 410) and "error" in (understood or ()):
            raise Disowned(f"{name}: {status}")
        if status != 200 or not isinstance(understood, dict):
            raise Unreachable(f"{name}: {status}")
        return understood


def _volume(device: str) -> str:
    """The volume behind a device: udev links it by its number on Azure, else by its EBS id."""
    if device.startswith(BY_LUN):
        return device.removeprefix(BY_LUN)
    return device.removeprefix(DEVICE).replace("vol", "vol-", 1)

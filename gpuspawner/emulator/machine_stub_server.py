"""A stub's single-user server: enough of one for the hub, and it says who it is.

Below the prefix of its user's server it answers

* `GET api` and `GET api/status`, as Jupyter servers do;
* `GET stub`: as JSON the machine, user, server name, home, all volumes, generation, and the SHA-256
  of the API token, so that a test sees who meets whom;
* `GET`, `PUT` and `DELETE stub/file/<name>`: a file in the home volume, to see that no home is lost;
* `GET` of anything else: the same as a page.

Nobody is asked to log in: it listens on loopback and holds nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from gpuspawner.emulator.machine_stub_wire import Orders

DATA = "data"
"""Where a volume's files are, in the volume's folder: as the emulator's own `mount` has it."""

_FILE = re.compile(r"stub/file/([A-Za-z0-9_-][A-Za-z0-9._-]{0,127})")
_LARGEST_FILE = 1 << 20
_LAST_SECONDS = 0.1


class SingleUser:
    """One server of one generation.

    Args:
        machine_id: where it runs.
        orders: what it serves; its address and home must be known.
        volumes: what is attached to the machine, as it changes: id to folder.
        hub: the hub's version, which servers repeat in a header.
        answers: whether it answers at all, or only takes connections.
    """

    def __init__(
        self,
        machine_id: str,
        orders: Orders,
        volumes: Mapping[str, Path],
        *,
        hub: str,
        answers: bool = True,
    ) -> None:
        self._machine_id = machine_id
        self._orders = orders
        self._volumes = volumes
        self._headers = {"X-JupyterHub-Version": hub} if hub else {}
        self._answers = answers
        self._http = web.Server(self._answer)
        self._listener: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen at the machine's own address.

        Raises:
            OSError: the address or port is not to be had.
        """
        loop = asyncio.get_running_loop()
        orders = self._orders
        self._listener = await loop.create_server(self._http, orders.address, orders.port)

    async def close(self) -> None:
        """Let nobody in any more, and end what is open. Safe to repeat."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
            # A timeout of 0 would mean for ever.
            await self._http.shutdown(timeout=_LAST_SECONDS)

    def about(self) -> dict[str, Any]:
        """Who this is."""
        environment = self._orders.environment
        token = environment.get("JUPYTERHUB_API_TOKEN", "")
        return {
            "machine": self._machine_id,
            "user": environment.get("JUPYTERHUB_USER"),
            "server": environment.get("JUPYTERHUB_SERVER_NAME"),
            "home": self._orders.home,
            "volumes": sorted(self._volumes),
            "generation": self._orders.generation,
            "token_sha256": hashlib.sha256(token.encode()).hexdigest(),
        }

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if not self._answers:
            await asyncio.Event().wait()
        path = request.path
        prefix = unquote(self._orders.prefix)  # as `path` is
        if not f"{path}/".startswith(prefix):
            return self._said(404, {"message": "nothing of mine"})
        name = path.removeprefix(prefix)
        if file := _FILE.fullmatch(name):
            return await self._file(request, file[1])
        if request.method not in ("GET", "HEAD"):
            return self._said(405, {"message": "only files can be written"})
        if name in ("api", "api/"):
            return self._said(200, {"version": "stub"})
        if name == "api/status":
            return self._said(200, {"connections": 0, "kernels": 0})
        if name == "stub":
            return self._said(200, self.about())
        page = f"<!DOCTYPE html><title>stub</title><pre>{json.dumps(self.about(), indent=1)}</pre>"
        return web.Response(text=page, content_type="text/html", headers=self._headers)

    async def _file(self, request: web.BaseRequest, name: str) -> web.StreamResponse:
        folder = self._volumes.get(self._orders.home or "")
        if folder is None:
            return self._said(410, {"message": "the home is not attached"})
        path = folder / DATA / name
        if request.method == "PUT":
            if (request.content_length or 0) > _LARGEST_FILE:
                return self._said(413, {"message": "too large"})
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(await request.read())
            return self._said(201, {"file": name})
        if not path.is_file():
            return self._said(404, {"message": f"no file {name}"})
        if request.method == "DELETE":
            path.unlink()
            return self._said(200, {"file": name})
        return web.Response(body=path.read_bytes(), headers=self._headers)

    def _said(self, status: int, said: dict[str, Any]) -> web.Response:
        return web.json_response(said, status=status, headers=self._headers)

"""What the measured hub is set to, and the watch that looks at its event loop from within.

The hub's configuration file calls `configure`. Both spawners get the same hub: what
`gpuspawner.configure` sets, the same proxy, the same users.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

from jupyterhub.auth import DummyAuthenticator
from jupyterhub.spawner import Spawner

import gpuspawner
from gpuspawner import proxy

TICK, LATE, LOOK = 0.01, 0.1, 0.004
"""Seconds: between two ticks of the loop; from when a tick counts as late; between two looks."""

_OURS = str(Path(gpuspawner.__file__).parent)


class EmptySpawner(Spawner):
    """Starts at once, since the stub is there already: what the hub itself costs."""

    stub_port = 0
    running = False

    async def start(self) -> tuple[str, int]:
        """Where the stub is."""
        self.running = True
        return "127.0.0.1", self.stub_port

    async def stop(self, now: bool = False) -> None:  # noqa: ARG002 - the hub's own word
        """Nothing is there to stop."""
        self.running = False

    async def poll(self) -> int | None:
        """Whether it was started."""
        return None if self.running else 0


def configure(c: Any, said: dict[str, Any]) -> None:
    """Set the hub; `said` is what the benchmark asks for."""
    folder = Path(said["folder"])
    gpuspawner.configure(
        c,
        public_url=f"http://127.0.0.1:{said['public_port']}/",
        controller_url=f"http://127.0.0.1:{said['controller_port']}",
        managed=False,
        secret_file=said["secret"],
        config_file=folder / "jupyterhub_config.py",
    )
    c.JupyterHub.bind_url = f"http://127.0.0.1:{said['public_port']}"
    c.JupyterHub.hub_port = said["hub_port"]
    c.JupyterHub.db_url = f"sqlite:///{folder}/hub.sqlite"
    c.JupyterHub.authenticator_class = DummyAuthenticator
    c.JupyterHub.cookie_secret = b"0" * 32
    c.JupyterHub.active_server_limit = 0
    # A request for a start is answered when the server is ready, so that nobody has to ask again.
    c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 600}
    c.JupyterHub.services.append({"name": "benchmark", "api_token": said["token"]})
    c.JupyterHub.load_roles.append(
        {"name": "benchmark", "services": ["benchmark"], "scopes": ["admin:users", "admin:servers"]}
    )
    c.Authenticator.allow_all = True
    # A busy computer makes the figures worse, but must not end the run.
    c.Spawner.start_timeout = c.Spawner.http_timeout = 900
    c.GPUSpawner.http_timeout = 900
    c.ConfigurableHTTPProxy.command = proxy.command()
    c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{said['proxy_port']}"
    c.ConfigurableHTTPProxy.auth_token = said["token"]
    if said["kind"] == "empty":
        EmptySpawner.stub_port = said["server_port"]
        c.JupyterHub.spawner_class = EmptySpawner
    else:
        c.GPUSpawner.port = said["server_port"]
        c.GPUSpawner.profile_list = [
            {"display_name": "One T4 GPU", "gpuspawner_override": {"sizes": ["small"]}}
        ]
    if said["watch"]:
        Watch(folder / "watch.json").begin()


class Watch:
    """Ticks on the loop, and a thread that looks at what the loop does instead when it is late.

    A look counts as ours when a function of gpuspawner is on the stack, or one of the HTTP client
    that we use with none of the hub's below it. What is ours of a late tick is the share of looks.
    Begins anew at SIGUSR1; writes what it has seen at SIGUSR2.
    """

    def __init__(self, to: Path) -> None:
        self._to = to
        self._ticked = time.perf_counter()
        self._looks: list[str | None] = []
        self._main = threading.main_thread().ident
        self._forget()

    def begin(self) -> None:
        """On the loop that runs now."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_signal_handler(signal.SIGUSR1, self._forget)
        self._loop.add_signal_handler(signal.SIGUSR2, self._write)
        self._due = self._loop.time() + TICK
        self._loop.call_at(self._due, self._tick)
        threading.Thread(target=self._look_on, daemon=True).start()

    def _forget(self) -> None:
        self._lags: list[dict[str, Any]] = []
        self._lateness: list[float] = []

    def _tick(self) -> None:
        late = self._loop.time() - self._due
        looks, self._looks = self._looks, []
        self._ticked = time.perf_counter()
        self._lateness.append(late)
        if late > LATE:
            ours = [look for look in looks if look]
            share = len(ours) / len(looks) if looks else 0.0
            self._lags.append(
                {
                    "ms": late * 1000,
                    "ours_ms": late * 1000 * share,
                    "where": sorted(
                        {(look, ours.count(look)) for look in ours}, key=lambda x: -x[1]
                    )[:5],
                }
            )
        self._due = self._loop.time() + TICK
        self._loop.call_at(self._due, self._tick)

    def _look_on(self) -> None:
        while True:
            time.sleep(LOOK)
            if time.perf_counter() - self._ticked > TICK + LOOK:
                self._looks.append(whose(sys._current_frames().get(self._main)))  # noqa: SLF001

    def _write(self) -> None:
        new = self._to.with_suffix(".new")
        new.write_text(json.dumps({"lags": self._lags, "lateness": self._lateness}))
        new.replace(self._to)


def whose(frame: FrameType | None) -> str | None:
    """The innermost function of ours on this stack, None when the stack is not ours.

    What our constructor hands on to the base class is not: the hub makes any spawner that way.
    """
    client, top = None, frame
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_OURS):
            if frame.f_code.co_name == "__init__" and frame is not top:
                return None
            return f"{Path(file).name}:{frame.f_code.co_name}"
        if "/jupyterhub/" in file:
            return None
        if "/aiohttp/" in file:
            client = f"aiohttp/{Path(file).name}:{frame.f_code.co_name}"
        frame = frame.f_back
    return client

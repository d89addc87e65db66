"""A stub machine from outside: what the hardware of a real one does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import aiohttp

from gpuspawner.emulator.clock_ import Pace
from gpuspawner.emulator.machine_stub_agent import Agent, write
from gpuspawner.emulator.machine_stub_wire import Line, NotOurs


class Box:
    """One machine, whose id is the name of its `folder`.

    Args:
        folder: what it keeps while it is off: its key and its console.
        volumes: attached to it, id to folder; changed from outside as they come and go.
        http: for all requests to the controller.
        hub: the hub's version.
        on_off: called when it has powered off by itself.
    """

    def __init__(
        self,
        folder: Path,
        user_data: str,
        volumes: dict[str, Path],
        *,
        http: aiohttp.ClientSession,
        hub: str,
        on_off: Callable[[], None],
    ) -> None:
        self._folder = folder
        self._user_data = user_data
        self._http = http
        self._hub = hub
        self._on_off = on_off
        self._task: asyncio.Task[None] | None = None
        self._agent: Agent | None = None
        self.volumes = volumes

    def boot(self, behaviour: str) -> None:
        """Switch it on."""
        self._folder.mkdir(parents=True, exist_ok=True)
        write(self._folder, f"booting, to be {behaviour}")
        self._agent = None
        if behaviour != "mute":
            try:
                self._agent = Agent(
                    self._folder,
                    Line(self._user_data, self._http),
                    self.volumes,
                    hub=self._hub,
                    behaviour=behaviour,
                    pace=Pace(),
                )
            except NotOurs:
                write(self._folder, "the user data is not for an agent: nothing to do")
        self._task = asyncio.create_task(self._run(self._agent))

    def behave(self, behaviour: str) -> None:
        """Change what it does, if it is on and does anything."""
        if self._agent is not None:
            self._agent.behave(behaviour)

    async def power_off(self) -> bool:
        """Press the button; returns, when nothing of it is left, whether it was on."""
        task, self._task, self._agent = self._task, None, None
        if task is None:
            return False
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        write(self._folder, "powered off")
        return True

    async def _run(self, agent: Agent | None) -> None:
        if agent is None:
            await asyncio.Event().wait()
            return
        try:
            why = await agent.run()
        except Exception as error:  # noqa: BLE001 - one machine's end must not be everybody's
            write(self._folder, f"the agent has crashed: {error!r}")
            return
        write(self._folder, f"powering off by itself: {why}")
        self._task = self._agent = None
        self._on_off()

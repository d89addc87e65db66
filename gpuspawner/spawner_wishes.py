"""The wishes of one server, written at the controller: started, stopped, taken back.

A wish costs money, so none is lost and none is left behind: a request is never cut off by a
cancellation, and a stop that could not be delivered is tried again until it is.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, ClassVar

from gpuspawner.client import certainly_not_sent, waits
from gpuspawner.errors import (
    ClaimNotFound,
    ControllerUnavailable,
    GenerationMismatch,
    GpuspawnerError,
    NotTheLeader,
)
from gpuspawner.model import Owner, Reason, Specification
from gpuspawner.spawner_refusals import refused
from gpuspawner.spawner_traits import SpawnerTraits
from gpuspawner.views import ClaimView


class WishWriter(SpawnerTraits):
    """Writes the wishes of one server; `GPUSpawner` decides when."""

    _background: ClassVar[set[asyncio.Task[Any]]] = set()
    _stops: ClassVar[dict[str, asyncio.Task[Any]]] = {}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._put: asyncio.Task[ClaimView] | None = None
        self._asked = asyncio.Event()
        self._generation: int | None = None
        self._uncertain = False

    @property
    def view(self) -> ClaimView | None:
        """This server's claim as the stream last showed it."""
        return self.client.mirror.claims.get(self.claim_name)

    async def _ask(self, specification: Specification, seconds: float) -> ClaimView:
        self._asked.clear()
        self._uncertain = False
        put: asyncio.Task[ClaimView] = self._spawn_task(self._send(specification, seconds))
        self._put = put
        try:
            # Shielded: a request that is cut off may have been carried out, and then its answer
            # is the only way to know what to stop.
            view = await asyncio.shield(put)
        except asyncio.CancelledError:
            self._spawn_task(self._undo(put))
            raise
        except GpuspawnerError as error:
            self._uncertain = isinstance(error, ControllerUnavailable) and not certainly_not_sent(
                error
            )
            raise refused(error, self.default_language) from None
        self._generation = view.generation
        self._asked.set()
        return view

    async def _send(self, specification: Specification, seconds: float) -> ClaimView:
        start_by = self.clock.now() + timedelta(seconds=seconds)
        give_up = self.clock.monotonic() + self.controller_timeout
        back_off = waits()
        environment = {key: str(v) for key, v in self.get_env().items() if v is not None}
        while True:
            try:
                return await self.client.put(
                    self.claim_name,
                    owner=Owner(str(self.user.id), self.user.name, self.name),
                    specification=specification,
                    environment=environment,
                    command=[*self.cmd, *self.get_args()],
                    port=self.port,
                    start_by=start_by,
                )
            except (ControllerUnavailable, NotTheLeader):
                # Asking twice is safe: each request opens a generation, and the last one counts.
                if self.clock.monotonic() >= give_up:
                    raise
            await self.clock.sleep(next(back_off))

    async def _give_up(self, generation: int) -> None:
        """Say why, before the hub's own stop does: the first reason is the one that is kept."""
        try:
            await self.client.stop(self.claim_name, generation, Reason.START_TIMEOUT)
        except GpuspawnerError as error:
            self.log.warning("%s: not told that the start is given up: %s", self._log_name, error)

    async def _undo(self, put: asyncio.Task[ClaimView]) -> None:
        """The start was cancelled while it was being asked for: what was asked is taken back."""
        try:
            generation: int | None = (await put).generation
        except GpuspawnerError as error:
            if certainly_not_sent(error) or not isinstance(error, ControllerUnavailable):
                return
            generation = None
        await self._write_stop(generation, Reason.CANCELLED)

    async def _stop_whatever(self) -> ClaimView | None:
        """Stop this server's wish, of whatever generation: only the hub starts, and it asks."""
        seen = self.view
        generation = seen.generation if seen else self._generation
        with contextlib.suppress(GenerationMismatch):
            return await self._write_stop(generation, Reason.USER)
        return await self._write_stop(None, Reason.USER)

    async def _write_stop(self, generation: int | None, reason: Reason) -> ClaimView | None:
        """Write `stopped`, asking until the controller has answered. None: there is no claim.

        Raises:
            GenerationMismatch: the wish is of another generation.
        """
        back_off = waits()
        while True:
            try:
                return await self.client.stop(self.claim_name, generation, reason)
            except ClaimNotFound:
                return None
            except GenerationMismatch:
                raise
            except GpuspawnerError as error:
                self.log.warning("%s: stop not written: %s", self._log_name, error)
            await self.clock.sleep(next(back_off))

    async def _forget_stop(self) -> None:
        """A stop that nobody has heard yet must not hit the start that follows it."""
        stop = self._stops.pop(self.claim_name, None)
        if stop is not None and not stop.done():
            stop.cancel()
            await asyncio.gather(stop, return_exceptions=True)

    def _spawn_task(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run `work` to its end, whoever is cancelled meanwhile; its failure goes to the log."""
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log.info("%s: %s", self._log_name, error)

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
from gpuspawner.model import Desired, Owner, Reason, Specification
from gpuspawner.spawner_refusals import refused, unreachable
from gpuspawner.spawner_traits import SpawnerTraits
from gpuspawner.views import ClaimView

_TRIES = 2
"""At least so often a start is asked for: a hub that starts a class can be held up by its own work for
longer than `controller_timeout`, and that time was not the controller's."""

_LATE_SECONDS = 5.0
"""So much later than a start's own end the last sign of it may come."""


class WishWriter(SpawnerTraits):
    """Writes the wishes of one server; `GPUSpawner` decides when."""

    _background: ClassVar[set[asyncio.Task[Any]]] = set()
    _stops: ClassVar[dict[str, asyncio.Task[Any]]] = {}
    _watches: ClassVar[dict[str, asyncio.Task[Any]]] = {}

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
            raise refused(error, self.default_language) from None
        self._uncertain = False
        self._generation = view.generation
        self._asked.set()
        return view

    async def _send(self, specification: Specification, seconds: float) -> ClaimView:
        start_by = self.clock.now() + timedelta(seconds=seconds)
        begun = self.clock.monotonic()
        give_up = begun + self.controller_timeout
        back_off = waits()
        await self.client.turn()
        environment = {key: str(v) for key, v in self.get_env().items() if v is not None}
        tries = 0
        while True:
            tries += 1
            try:
                return await self.client.put(
                    self.claim_name,
                    owner=Owner(self.hub_user_id, self.user.name, self.name),
                    specification=specification,
                    environment=environment,
                    command=[*self.cmd, *self.get_args()],
                    port=self.port,
                    start_by=start_by,
                )
            except GpuspawnerError as error:
                unheard = isinstance(error, (ControllerUnavailable, NotTheLeader))
                lost = isinstance(error, ControllerUnavailable) and not certainly_not_sent(error)
                self._uncertain = self._uncertain or lost
                # Asking twice is safe: each request opens a generation, and the last one counts.
                in_time = tries < _TRIES or self.clock.monotonic() < give_up
                if not unheard or not in_time:
                    self._watch_for_late(begun + seconds)
                    raise
            await self.clock.sleep(next(back_off))

    def _watch_for_late(self, end: float) -> None:
        """A request that nobody waits for any more may be carried out yet, until its `start_by`."""
        if self._uncertain:
            work = self._take_back_late(end + _LATE_SECONDS)
            self._watches[self.claim_name] = self._spawn_task(work)

    async def _take_back_late(self, end: float) -> None:
        """Stop what comes of a start that was refused long ago. That it is not there proves nothing.

        A controller that hangs answers the stop and carries out the start after it, in any order.
        """
        client, name, view = self.client, self.claim_name, self.view

        def wanted() -> bool:
            return self.view is not None and self.view.desired is Desired.RUNNING

        def changed() -> bool:
            return self.view is not view

        while await client.wait_for(name, wanted, max(0.0, end - self.clock.monotonic())):
            view = self.view
            if view is None:
                continue
            self.log.warning("%s: a start that was given up is taken back", self._log_name)
            with contextlib.suppress(GenerationMismatch):
                await self._write_stop(view.generation, Reason.CANCELLED)
            await client.wait_for(name, changed, _LATE_SECONDS)

    @property
    def _margin(self) -> float:
        """So many seconds before the hub's own end of a start ours comes, which says why."""
        return min(15.0, float(self.start_timeout) * 0.1)

    async def _give_up(self, generation: int, seconds: float) -> None:
        """Say why, before the hub's own stop does: the first reason is the one that is kept.

        After `seconds` it goes on in the background: the student must be told before the hub
        gives the start up by itself, which says nothing.
        """
        saying = self._spawn_task(self._say_given_up(generation))
        alarm = asyncio.ensure_future(self.clock.sleep(seconds))
        await asyncio.wait({saying, alarm}, return_when=asyncio.FIRST_COMPLETED)
        alarm.cancel()

    async def _say_given_up(self, generation: int) -> None:
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

    async def _write_delete(self) -> None:
        """Write `deleted`, asking until the controller has answered."""
        back_off = waits()
        while True:
            try:
                await self.client.delete(self.claim_name)
            except ClaimNotFound:
                return
            except GpuspawnerError as error:
                self.log.warning("%s: delete not written: %s", self._log_name, error)
            else:
                return
            await self.clock.sleep(next(back_off))

    async def _told(self, task: asyncio.Task[Any]) -> None:
        """Wait for what is written; it goes on in the background when this has raised.

        Raises:
            ControllerUnavailable: it could not be told for `controller_timeout` seconds.
        """
        alarm = asyncio.ensure_future(self.clock.sleep(self.controller_timeout))
        await asyncio.wait({task, alarm}, return_when=asyncio.FIRST_COMPLETED)
        alarm.cancel()
        if not task.done():
            raise unreachable(self._log_name)

    async def _forget_stop(self) -> None:
        """A stop that nobody has heard yet must not hit the start that follows it."""
        for tasks in (self._stops, self._watches):
            stop = tasks.pop(self.claim_name, None)
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

"""The hub's side of the claims API (docs/explain/protocols.md).

One client per hub process and controller: it puts and stops claims, and follows one stream of
events for all students, so that questions are answered from memory. `gpuspawner.errors` is all
that it raises.
"""

from __future__ import annotations

import asyncio
import json
import logging
import weakref
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar

import aiohttp

from gpuspawner.client_answers import error_of, lines, view_of
from gpuspawner.client_wallets import Wallets
from gpuspawner.clock import Clock, SystemClock
from gpuspawner.errors import ControllerUnavailable, GpuspawnerError
from gpuspawner.mirror import Gap, Mirror
from gpuspawner.model import Owner, Reason, Specification
from gpuspawner.views import ClaimView

logger = logging.getLogger(__name__)

SILENCE_SECONDS = 30.0
"""So long without a line (pings included) means that the stream is dead."""

REQUEST_SECONDS = 15.0
"""So long the controller may take to answer; it only writes to its own database."""

_AT_ONCE = 20
"""So many requests are begun before the event loop has a turn: one takes it half a millisecond."""

BACK_OFF_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
"""The waits between attempts to connect, the last one for ever."""

_TROUBLE = (aiohttp.ClientError, OSError, asyncio.TimeoutError, ValueError, KeyError, TypeError)
"""What a connection that is down, cut or talks nonsense raises."""


class ControllerClient:
    """Requests to one controller, and a mirror of what it says.

    Args:
        url: of the claims API, without a slash at the end, such as
            `http://127.0.0.1:8010/services/gpuspawner/api/v1`.
        token: what the secret file gives for the spawner.
        clock: waits between attempts and limits of waiting.
        silence: seconds without a line after which the stream is made anew.
    """

    _shared: ClassVar[
        weakref.WeakKeyDictionary[
            asyncio.AbstractEventLoop, dict[tuple[str, str], ControllerClient]
        ]
    ] = weakref.WeakKeyDictionary()

    def __init__(
        self,
        url: str,
        token: str,
        *,
        clock: Clock | None = None,
        silence: float = SILENCE_SECONDS,
    ) -> None:
        self.url = url.rstrip("/")
        self.clock: Clock = clock or SystemClock()
        self.mirror = Mirror()
        self.wallets = Wallets(self._request, self.clock)
        self._token = token
        self._silence = silence
        self._http: aiohttp.ClientSession | None = None
        self._follower: asyncio.Task[None] | None = None
        self._waiters: dict[str, set[asyncio.Future[None]]] = defaultdict(set)
        self._turns = asyncio.Semaphore(_AT_ONCE)

    @classmethod
    def shared(cls, url: str, token: str, clock: Clock | None = None) -> ControllerClient:
        """The one client of this event loop for `url`, following its stream."""
        of_loop = cls._shared.setdefault(asyncio.get_running_loop(), {})
        client = of_loop.get((url, token))
        if client is None:
            client = of_loop[url, token] = cls(url, token, clock=clock)
        client.follow()
        return client

    @classmethod
    async def close_shared(cls) -> None:
        """Close every shared client of this event loop."""
        for client in cls._shared.pop(asyncio.get_running_loop(), {}).values():
            await client.close()

    async def turn(self) -> None:
        """Go on in one of the next turns of the event loop, if many want to go on at once.

        A class that presses Start together must not hold up everybody else's pages. Nothing is
        held while an answer is awaited: a controller that hangs keeps nobody in a queue.
        """
        async with self._turns:
            await asyncio.sleep(0)

    # -- requests ---------------------------------------------------------------------------

    async def put(
        self,
        name: str,
        *,
        owner: Owner,
        specification: Specification,
        environment: Mapping[str, str],
        command: list[str],
        port: int,
        start_by: datetime,
    ) -> ClaimView:
        """Ask for a machine: always opens a new generation of the claim."""
        body = {
            "owner": {
                "user_id": owner.user_id,
                "user_name": owner.user_name,
                "server_name": owner.server_name,
            },
            "specification": specification.to_json(),
            "environment": dict(environment),
            "command": command,
            "port": port,
            "start_by": start_by.isoformat(),
        }
        view = view_of(await self._request("PUT", f"claims/{name}", body))
        self.mirror.learn(view)
        self._notify(name)
        return view

    async def stop(self, name: str, generation: int | None, reason: Reason) -> ClaimView:
        """Write `stopped`, if the wish is still of `generation` (None: whatever it is)."""
        body = {"generation": generation, "reason": reason.value}
        return view_of(await self._request("POST", f"claims/{name}/stop", body))

    async def delete(self, name: str) -> ClaimView:
        """Give the claim up: its machine is deleted, its home is kept."""
        return view_of(await self._request("DELETE", f"claims/{name}"))

    async def get(self, name: str) -> ClaimView:
        """Look at one claim now."""
        return view_of(await self._request("GET", f"claims/{name}"))

    async def _request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        # Not in all: of a large class some first wait here for a connection, and a controller that
        # is slow for all of them must not be asked a second time by each.
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=REQUEST_SECONDS, sock_read=REQUEST_SECONDS
        )
        await self.turn()
        try:
            async with self._session().request(
                method, f"{self.url}/{path}", json=body, timeout=timeout
            ) as response:
                text = await response.text()
        except (aiohttp.ClientError, OSError, asyncio.TimeoutError) as error:
            raise ControllerUnavailable(f"{method} {path}: {error!r}") from error
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if response.status >= 400 or not isinstance(answer, dict):
            raise error_of(response.status, answer)
        return answer

    # -- the stream -------------------------------------------------------------------------

    def follow(self) -> None:
        """Follow the stream in the background from now on, if that is not done already."""
        if self._follower is None or self._follower.done():
            self._follower = asyncio.ensure_future(self._follow())

    async def wait_for(
        self, name: str, predicate: Callable[[], bool], seconds: float | None = None
    ) -> bool:
        """Wait until `predicate()`; it is asked again after each event that may concern `name`.

        Returns:
            False when `seconds` passed first.
        """
        alarm = None if seconds is None else asyncio.ensure_future(self.clock.sleep(seconds))
        try:
            while not predicate():
                if alarm is not None and alarm.done():
                    return False
                await self._change(name, alarm)
        finally:
            if alarm is not None:
                alarm.cancel()
        return True

    async def close(self) -> None:
        """End the stream and the connections."""
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)
        await self._close_session()

    async def _change(self, name: str, alarm: asyncio.Future[None] | None) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters[name].add(waiter)
        try:
            await asyncio.wait(
                {waiter} if alarm is None else {waiter, alarm},
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            self._waiters[name].discard(waiter)
            if not self._waiters[name]:
                del self._waiters[name]

    def _notify(self, name: str | None) -> None:
        concerned = list(self._waiters) if name is None else [name]
        for waiter in [w for key in concerned for w in self._waiters.get(key, ())]:
            if not waiter.done():
                waiter.set_result(None)

    async def _follow(self) -> None:
        back_off = waits()
        try:
            while True:
                self.mirror.connect()
                try:
                    async for event in self._events():
                        self._notify(self.mirror.apply(event))
                        back_off = waits()
                    logger.info("the stream of claims ended; connecting again")
                except Gap as gap:
                    logger.info("the stream of claims has a gap (%s): a new snapshot", gap)
                except _TROUBLE as error:
                    logger.warning("the stream of claims at %s: %r", self.url, error)
                await self.clock.sleep(next(back_off))
        finally:
            # The hub cancels every task when it ends, and this is where we learn of it.
            await self._close_session()

    async def _events(self) -> AsyncIterator[dict[str, Any]]:
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._silence, sock_read=self._silence
        )
        async with self._session().get(
            f"{self.url}/claims", params={"watch": "1"}, timeout=timeout
        ) as response:
            if response.status != 200:
                raise ValueError(f"status {response.status}")
            async for line in lines(response.content.iter_any()):
                yield json.loads(line)

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None or self._http.closed:
            self._http = aiohttp.ClientSession(headers={"Authorization": f"Bearer {self._token}"})
        return self._http

    async def _close_session(self) -> None:
        if self._http is not None:
            await self._http.close()


def certainly_not_sent(error: GpuspawnerError) -> bool:
    """Whether the request that ended in `error` surely never reached the controller."""
    return isinstance(error.__cause__, aiohttp.ClientConnectorError)


def waits() -> Iterator[float]:
    """The seconds to wait between one attempt and the next."""
    yield from BACK_OFF_SECONDS
    while True:
        yield BACK_OFF_SECONDS[-1]

"""Asking less often than AWS allows, and the urgent things first.

EC2 gives each action of an account and region a bucket of tokens, shared with everything else that
uses the account (AWS, "Request throttling for the Amazon EC2 API"). We keep to 80 to 95 % of each,
halve our rate when we are refused all the same, and let it grow back. A refused call is never
repeated here: whoever plans looks again.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from gpuspawner.clock import Clock

CAUTION = 0.9
"""The part of AWS's own capacity and rate that we use."""

_REQUESTS = {
    "RunInstances": (5, 2),
    "StartInstances": (5, 2),
    "StopInstances": (50, 5),
    "TerminateInstances": (100, 5),
    "CreateVolume": (100, 5),
    "DeleteVolume": (100, 5),
    "ModifyInstanceAttribute": (50, 5),
    "AttachVolume": (50, 5),
    # Parameter Store's default is 40 a second; Service Quotas documents none, so a little.
    "GetParameter": (20, 10),
    "GetServiceQuota": (10, 2),
    "GetProducts": (10, 5),
}
_READS = (100, 20)
_RESOURCES = {
    "RunInstances": (1000, 2),
    "StartInstances": (1000, 2),
    "StopInstances": (1000, 20),
    "TerminateInstances": (1000, 20),
}

PRIORITY = {
    "StopInstances": 0,
    "TerminateInstances": 0,
    "StartInstances": 1,
    "ModifyInstanceAttribute": 1,
    "RunInstances": 2,
    "CreateVolume": 2,
    "AttachVolume": 2,
}
"""Stopping costs nothing and saves money, so it goes first; reading, which repeats, goes last."""
_LAST = 3

_ROUNDING = 1e-9
_LEAST = 0.05
_GROWTH = 0.05


@dataclass
class Bucket:
    """Tokens for one action: `capacity` at most, `rate` new ones a second."""

    clock: Clock
    capacity: float
    full_rate: float
    rate: float = 0.0
    tokens: float = 0.0
    _seen: float = 0.0
    _line: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.rate, self.tokens, self._seen = self.full_rate, self.capacity, self.clock.monotonic()

    async def take(self, count: float = 1) -> None:
        """Wait in line until there are `count` tokens (as many as fit, at most), and take them."""
        while not self.spend(count):
            await self.ready(count)

    async def ready(self, count: float = 1) -> None:
        """Wait in line until there are so many, and take none of them yet."""
        count = min(count, self.capacity)
        async with self._line:
            while (missing := count - self._refilled()) > _ROUNDING:
                await self.clock.sleep(missing / self.rate)

    def has(self, count: float = 1) -> bool:
        """Whether there are so many now."""
        return min(count, self.capacity) - self._refilled() <= _ROUNDING

    def spend(self, count: float = 1) -> bool:
        """Take so many now, or none: whether there were enough."""
        enough = self.has(count)
        if enough:
            self.tokens -= min(count, self.capacity)
        return enough

    def refused(self) -> None:
        """AWS was asked too often all the same: half as fast, and nothing saved up."""
        self._refilled()
        self.rate = max(self.rate / 2, self.full_rate * _LEAST)
        self.tokens = 0.0

    def accepted(self) -> None:
        """AWS answered: a little faster again."""
        self.rate = min(self.rate + self.full_rate * _GROWTH, self.full_rate)

    def _refilled(self) -> float:
        now = self.clock.monotonic()
        self.tokens = min(self.capacity, self.tokens + (now - self._seen) * self.rate)
        self._seen = now
        return self.tokens


class Turnstile:
    """At most `places` at a time; who waits enters by priority, then by arrival."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._numbers = itertools.count()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    @contextlib.asynccontextmanager
    async def place(self, priority: int) -> AsyncIterator[None]:
        """Hold a place while the body runs; 0 is the most urgent."""
        await self._enter(priority)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, priority: int) -> None:
        if self._free:
            self._free -= 1
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._numbers), future))
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self._leave()  # the place was ours already
            raise

    def _leave(self) -> None:
        while self._waiting:
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():
                future.set_result(None)
                return
        self._free += 1


class Limits:
    """All of an account's buckets, and the places at the door."""

    def __init__(self, clock: Clock, places: int) -> None:
        self._clock = clock
        self._turnstile = Turnstile(places)
        self._requests: dict[str, Bucket] = {}
        self._resources = {
            action: Bucket(clock, capacity * CAUTION, rate * CAUTION)
            for action, (capacity, rate) in _RESOURCES.items()
        }

    @contextlib.asynccontextmanager
    async def turn(self, action: str, resources: int = 0) -> AsyncIterator[None]:
        """Wait for the right to ask `action` for `resources` machines, and hold a place meanwhile.

        The tokens are taken at the door, not before: those who waited there with theirs in hand
        would pass it together one day, and AWS counts when they arrive.
        """
        needed = [(self.bucket(action), 1)]
        if resources and action in self._resources:
            needed.append((self._resources[action], resources))
        while True:
            for bucket, count in needed:
                await bucket.ready(count)
            async with self._turnstile.place(PRIORITY.get(action, _LAST)):
                if all(bucket.has(count) for bucket, count in needed):
                    for bucket, count in needed:
                        bucket.spend(count)
                    yield
                    return

    def bucket(self, action: str) -> Bucket:
        """The bucket of `action`'s requests."""
        if action not in self._requests:
            capacity, rate = _REQUESTS.get(action, _READS)
            self._requests[action] = Bucket(self._clock, capacity * CAUTION, rate * CAUTION)
        return self._requests[action]

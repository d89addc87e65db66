"""What every cloud's limiter is made of: buckets of tokens, and a door with few places.

A refused call is never repeated here: whoever plans looks again.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from gpuspawner.clock import Clock

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
        """The cloud was asked too often all the same: half as fast, and nothing saved up."""
        self._refilled()
        self.rate = max(self.rate / 2, self.full_rate * _LEAST)
        self.tokens = 0.0

    def hold(self, seconds: float) -> None:
        """The cloud said when to come again: give out nothing before."""
        self.tokens = min(self._refilled(), 1 - seconds * self.rate)

    def at_most(self, tokens: float) -> None:
        """The cloud said how many are left: others use them, too."""
        self.tokens = min(self._refilled(), tokens)

    def wait(self, count: float = 1) -> float:
        """Seconds until there are so many, if nobody takes any."""
        return max(0.0, (min(count, self.capacity) - self._refilled()) / self.rate)

    def accepted(self) -> None:
        """The cloud answered: a little faster again."""
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

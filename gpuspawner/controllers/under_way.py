"""Calls to the cloud that take longer than a pass waits for them.

A cloud answers most requests in a second, and some after a minute. One that is slow must not hold
up what others have asked for meanwhile, so a pass leaves it behind, and no later pass touches what
it is about until it has come back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from gpuspawner.clock import Clock

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Work:
    """What is to be done for `claims`; it needs a place in `queue` to begin."""

    claims: frozenset[str]
    queue: asyncio.Semaphore
    act: Callable[[], Awaitable[None]]


class UnderWay:
    """Does what a pass wants done, and remembers what has not come back yet."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begun: dict[asyncio.Task[None], frozenset[str]] = {}

    @property
    def claims(self) -> frozenset[str]:
        """Whose calls have not come back. What a plan knows of them is out of date when they do."""
        return frozenset().union(*self._begun.values())

    async def take(self, works: Iterable[Work], seconds: float) -> bool:
        """Begin what can be begun in `seconds`, and wait no longer for it than that.

        Returns whether all of it was begun; what was not is dropped, and left to a later plan.

        Raises:
            Exception: what a work raised within the time. One that raises later is logged.
        """
        tasks = [asyncio.create_task(self._in_turn(work)) for work in works]
        try:
            await self._wait(tasks, seconds)
        finally:
            late = [task for task in tasks if not task.done() and task not in self._begun]
            for task in late:
                task.cancel()
        for task in tasks:
            if task.done():
                task.result()
            elif task in self._begun:
                task.add_done_callback(_log_error)
        return not late

    async def close(self) -> None:
        """Give up waiting. What was sent may still be carried out: its intent is committed."""
        tasks = list(self._begun)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _wait(self, tasks: list[asyncio.Task[None]], seconds: float) -> None:
        if not tasks:
            return
        deadline = asyncio.ensure_future(self._clock.sleep(seconds))
        done = asyncio.ensure_future(asyncio.wait(tasks))
        try:
            await asyncio.wait({deadline, done}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            deadline.cancel()
            done.cancel()

    async def _in_turn(self, work: Work) -> None:
        async with work.queue:
            task = asyncio.current_task()
            assert task
            self._begun[task] = work.claims
            try:
                await work.act()
            finally:
                del self._begun[task]


def _log_error(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        _log.error("a call that outlasted its pass failed", exc_info=error)

"""One life of a controller: everything it keeps in memory, gone when it is killed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gpuspawner.controllers.hands import Hands
from gpuspawner.controllers.reconciler import Reconciler
from gpuspawner.store.database import Database
from gpuspawner.store.seen import Seen
from tests.controllers.stage import IDENTITY, record
from tests.faults.random_cloud import Inline

if TYPE_CHECKING:
    from tests.faults.random_class import School


class Killed(BaseException):
    """The process is gone. No handler of errors sees it, as none would."""


class MortalDatabase(Database):
    """The controller's database, in the same thread, with a point on both sides of each commit."""

    def __init__(self, url: str, point: Callable[[str, str], None]) -> None:
        super().__init__(url, IDENTITY.encryption_key)
        self._writing = self._reading = Inline()  # type: ignore[assignment]
        self._point = point
        self.read_last: Any = None

    async def run(self, fn: Any, *args: Any, **kwargs: Any) -> Any:
        self._point("before", f"commit {fn.__name__}")
        result = await super().run(fn, *args, **kwargs)
        self._point("after", f"commit {fn.__name__}")
        return result

    async def read(self, fn: Any, *args: Any, **kwargs: Any) -> Any:
        result = await super().read(fn, *args, **kwargs)
        if fn.__name__ == "_read":
            self.read_last = result
        return result


class Life:
    """One controller, from its start to its death."""

    def __init__(self, school: School) -> None:
        self.database = MortalDatabase(school.url, school.point)
        settings = record()
        provider = school.cloud.provider(IDENTITY.hub_id)
        self.seen = Seen(settings.capacity_memory, settings.quota_memory)
        hands = Hands(
            provider,
            self.database,
            IDENTITY,
            self.seen,
            school.clock,
            agent_url="https://hub.example.org/services/gpuspawner/api/v1/agent",
        )
        self.reconciler = Reconciler(
            provider, self.database, hands, self.seen, school.clock, settings
        )
        self.database.on_change(school._wake, plans=True)
        self.steps: list[Any] = []
        inner = hands.take

        async def take(steps: Any, *more: Any) -> bool:
            self.steps = list(steps)
            return await inner(self.steps, *more)

        hands.take = take  # type: ignore[method-assign]
        self.dead = False
        self.began = self.next_tick = school.clock.monotonic()

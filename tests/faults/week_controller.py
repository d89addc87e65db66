"""The controller of a week, its own process: it takes a pass when it is told to, on the shared clock.

It is `gpuspawner.app.serve` with its lock, its migrations, its claims API and all its parts; only
the clock is another, and the parts that would look for ever each look once when they are told to
(`POST /pass` at a port of its own). Beside real time that is what makes a week of a class fit into
minutes. A killed one takes with it what a controller has in memory and under way.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from gpuspawner import app
from tests.faults import nursery
from tests.faults.shared_clock import SharedClock, SharedTime


class Told(app.Controller):
    """A controller that does what it does once, each time it is told to."""

    def __init__(self, loaded: Any, provider: Any, database: Any, *others: Any) -> None:
        super().__init__(loaded, provider, database, *others)
        self._due = self._called = self._clock.now()
        self._every = loaded.controller.roll_call_interval
        database.on_change(self._wake, plans=True)

    async def run(self) -> None:
        """Begin as every controller does, and obey for ever."""
        await self._pricer.begin()
        await self.board.refresh()
        server = HTTPServer(Application([("/(pass|refresh)", _Order, {"controller": self})]))
        server.listen(int(os.environ["WEEK_PORT"]), "127.0.0.1")
        while True:
            await self._stale.wait()
            self._stale.clear()
            await self.board.refresh()
            await asyncio.sleep(0.01)

    async def refresh(self) -> dict[str, Any]:
        """Ask the price service."""
        return {"good": await self._pricer.refresh()}

    async def one_pass(self) -> dict[str, Any]:
        """Whatever is due now; when something is again, in seconds.

        `kept`: a new listing is in the books. `failed`: there was none.
        """
        seen, now = self._reconciler._seen, self._clock.now()
        before = seen.world
        if now >= self._due:
            # A wish that is written meanwhile makes another due.
            self._due = datetime.max.replace(tzinfo=now.tzinfo)
            self._due = min(self._due, await self.tick())
        # A pass leaves behind what takes long, and on this clock any wait is long: hold it to the
        # bill only when the cloud has done what it was asked.
        if begun := list(self._reconciler._hands._under_way._begun):
            await asyncio.wait(begun)
        kept = await self._meter.look()
        again = await self.credit.look()
        await self.culler.look()
        if self._roll_call and now >= self._called + self._every:
            self._called = now
            await self._roll_call.look()
        return {
            "kept": kept and seen.world is not before,
            "failed": "" in seen.problems,
            "again": (min(again, self._due) - self._clock.now()).total_seconds(),
        }

    def _wake(self) -> None:
        self._due = self._clock.now()


class _Order(RequestHandler):
    def initialize(self, controller: Told) -> None:
        self.controller = controller

    async def post(self, what: str) -> None:
        do = self.controller.one_pass if what == "pass" else self.controller.refresh
        self.write(await do())


def main(arguments: list[str]) -> int:
    """Run one."""
    from gpuspawner import cli  # noqa: PLC0415

    time = SharedTime(Path(os.environ["WEEK_TIME"]))
    app.SystemClock = lambda: SharedClock(time)  # type: ignore[assignment,misc]
    app.Controller = Told  # type: ignore[misc]
    return cli.main(arguments)


def _import_everything() -> None:
    """And read the SDK's descriptions of its services, which takes a second of each process."""
    import boto3  # noqa: PLC0415
    from botocore.retries import standard  # noqa: PLC0415

    from gpuspawner.providers import aws  # noqa: F401, PLC0415
    from gpuspawner.store import migrate  # noqa: F401, PLC0415

    session = boto3.Session("campus", "campus", region_name="us-east-1")
    for service in ("ec2", "ssm", "pricing", "service-quotas"):
        session.client(service).close()
    boto3.Session = lambda **_: session  # type: ignore[assignment,misc]
    # It waits for seconds, by a clock of its own, before it asks again what was throttled.
    standard.ExponentialBackoff.delay_amount = lambda *_: 0.02


if __name__ == "__main__" and "--nursery" in sys.argv:
    _import_everything()
    nursery.serve(main)

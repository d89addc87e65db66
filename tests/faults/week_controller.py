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
from importlib import import_module
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from gpuspawner import app
from tests.faults import nursery
from tests.faults.clouds import AZURE, chosen
from tests.faults.shared_clock import SharedClock, SharedTime
from tests.faults.told import Told


class Obedient(Told):
    """Is told over HTTP."""

    async def run(self) -> None:
        """Begin, and obey for ever."""
        await self.begin()
        server = HTTPServer(Application([("/(pass|refresh)", _Order, {"controller": self})]))
        server.listen(int(os.environ["WEEK_PORT"]), "127.0.0.1")
        while True:
            await self._stale.wait()
            self._stale.clear()
            await self.board.refresh()
            await asyncio.sleep(0.01)


class _Order(RequestHandler):
    def initialize(self, controller: Told) -> None:
        self.controller = controller

    async def post(self, what: str) -> None:
        if what == "pass":
            self.write(await self.controller.one_pass())
        else:
            self.write({"good": await self.controller.refresh()})


def main(arguments: list[str]) -> int:
    """Run one."""
    from gpuspawner import cli  # noqa: PLC0415

    time = SharedTime(Path(os.environ["WEEK_TIME"]))
    app.SystemClock = lambda: SharedClock(time)  # type: ignore[assignment,misc]
    app.Controller = Obedient  # type: ignore[misc]
    return cli.main(arguments)


def _import_everything() -> None:
    """And read the SDK's descriptions of its services, which takes a second of each process."""
    from gpuspawner.store import migrate  # noqa: F401, PLC0415

    if chosen() is AZURE:
        import_module("azure.identity.aio")
        import_module("azure.mgmt.compute.aio")
        import_module("gpuspawner.providers.azure")
        return
    import boto3  # noqa: PLC0415
    from botocore.retries import standard  # noqa: PLC0415

    from gpuspawner.providers import aws  # noqa: F401, PLC0415

    session = boto3.Session("campus", "campus", region_name="us-east-1")
    for service in ("ec2", "ssm", "pricing", "service-quotas"):
        session.client(service).close()
    boto3.Session = lambda **_: session  # type: ignore[assignment,misc]
    # It waits for seconds, by a clock of its own, before it asks again what was throttled.
    standard.ExponentialBackoff.delay_amount = lambda *_: 0.02


if __name__ == "__main__" and "--nursery" in sys.argv:
    _import_everything()
    nursery.serve(main)

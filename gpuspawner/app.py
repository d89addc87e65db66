"""The controller process: builds the parts, holds the lock, runs until it is told to stop.

Only the holder of the database's lock touches the cloud. Another controller stands by, answers
`health` with `standby` and takes over when the lock is given up. A lock that is lost ends the
process: whoever started it starts it again, and it stands by.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tornado.web import Application

from gpuspawner import settings
from gpuspawner.clock import Clock, SystemClock
from gpuspawner.controllers.credit import CreditKeeper
from gpuspawner.controllers.culler import Culler
from gpuspawner.controllers.hands import Hands
from gpuspawner.controllers.inspector import Inspector
from gpuspawner.controllers.loop import Loop
from gpuspawner.controllers.meter import Meter
from gpuspawner.controllers.pricer import Pricer
from gpuspawner.controllers.reconciler import Reconciler, always
from gpuspawner.controllers.roll_call import RollCall
from gpuspawner.errors import ConfigurationError, NotTheLeader
from gpuspawner.hub_api import Hub
from gpuspawner.policy.money import seconds_of
from gpuspawner.providers.base import Provider
from gpuspawner.settings.prices import COST_UNIT
from gpuspawner.settings.whole import Settings
from gpuspawner.store import allowance, price_book
from gpuspawner.store.database import Database, nothing_to_plan
from gpuspawner.store.lock import Lock
from gpuspawner.store.observations import Observations
from gpuspawner.store.seen import Seen
from gpuspawner.web.application import API, SERVICE_PREFIX, application, http_server, standby
from gpuspawner.web.beats import Beats
from gpuspawner.web.board import Board
from gpuspawner.web.credit.live import Live
from gpuspawner.web.credit.members import Members
from gpuspawner.web.people import introduce
from gpuspawner.web.services import Services

__all__ = ["Controller", "Settings", "main", "serve"]

_log = logging.getLogger(__name__)

_LOCK_SECONDS, _PARENT_SECONDS = 2.0, 1.0


class Controller:
    """The parts of one controller, and the tasks that keep them going."""

    def __init__(
        self,
        loaded: Settings,
        provider: Provider,
        database: Database,
        clock: Clock,
        leads: Callable[[], Awaitable[bool]] = always,
        hub: Hub | None = None,
    ) -> None:
        record = loaded.controller
        seen = Seen(record.capacity_memory, record.quota_memory)
        hands = Hands(
            provider,
            database,
            loaded.identity,
            seen,
            clock,
            agent_url=f"{record.public_url.rstrip('/')}{SERVICE_PREFIX}{API}/agent",
            ca=Path(record.ca_file).read_text(encoding="ascii") if record.ca_file else "",
        )
        self._pricer = Pricer(provider, database, seen, clock, loaded.prices)
        self._stale = asyncio.Event()
        self.credit = CreditKeeper(database, seen, clock, loaded.credit, self._stale.set)
        self._meter = Meter(
            provider.name,
            database,
            seen,
            clock,
            loaded.credit.metering,
            charged=self.credit.wake,
        )
        minimum = timedelta(seconds=provider.minimum_seconds)
        policy = replace(loaded.policy, paid_minimum=minimum)
        observations = Observations(policy.idle, clock.now())
        self.culler = Culler(database, seen, observations, clock, policy, self._stale.set)
        self._reconciler = Reconciler(
            provider, database, hands, seen, clock, record,
            leads=leads, books=self._meter, priced=self._pricer.priced,
        )  # fmt: skip
        self.board = Board(database, seen, clock)
        self._inspector = Inspector(provider, seen, clock)
        self._beats = Beats(database, clock)
        self._roll_call = (
            RollCall(hub.servers, database, seen, clock, record, loaded.identity.hub_id)
            if hub
            else None
        )
        self.services = Services(
            database, self.board, self._beats, provider, loaded.identity, clock, record,
            loaded.agent, loaded.credit, Members(hub, clock), Live(database, clock), observations, policy,
            self._pricer.refresh, self.culler.wake,
        )  # fmt: skip
        pace = record.fast_interval
        self._loop = Loop(self.tick, clock, gap=min(pace, timedelta(seconds=1)), pace=pace)
        self._clock = clock
        database.on_change(self._stale.set)
        database.on_change(self._loop.wake, plans=True)

    async def tick(self) -> datetime:
        """One pass, and what people see of it."""
        await self._beats.flush()
        try:
            with nothing_to_plan():
                self.board.next_look = await self._reconciler.tick()
            return self.board.next_look
        finally:
            await self.board.refresh()

    async def run(self) -> None:
        """Reconcile and keep the board current, until cancelled or the lock is lost."""
        await self._pricer.begin()
        await self.board.refresh()
        rooms = (
            self._loop, self._beats, self._inspector, self._meter, self.credit, self.culler,
            self._pricer, *([self._roll_call] if self._roll_call else ()),
        )  # fmt: skip
        works = [self._refresh(), *(room.run() for room in rooms)]
        tasks = [asyncio.create_task(work, name=work.__qualname__) for work in works]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._reconciler.close()

    async def _refresh(self) -> None:
        """The board follows the database, but not each of many changes on its own."""
        while True:
            await self._stale.wait()
            self._stale.clear()
            await self.board.refresh()
            await self._clock.sleep(0.1)


def make_provider(
    record: settings.AWSRecord | settings.AzureRecord, hub_id: str, clock: Clock
) -> Provider:
    """The provider that the configuration names; its SDK is imported only now.

    Raises:
        ConfigurationError: the SDK is not installed.
    """
    if isinstance(record, settings.AzureRecord):
        # It imports its SDK at the first call, in a thread.
        from gpuspawner.providers.azure import AzureProvider  # noqa: PLC0415

        return AzureProvider(record, hub_id, clock)
    try:
        from gpuspawner.providers.aws import AWSProvider  # noqa: PLC0415 - needs the extra `aws`
    except ImportError as error:
        raise ConfigurationError(
            "the AWS SDK is not installed: run 'pip install gpuspawner[aws]'"
        ) from error
    return AWSProvider(record, hub_id, clock)


async def serve(path: Path) -> None:
    """Run a controller with a configuration file until SIGTERM, SIGINT or the end of its parent.

    Raises:
        ConfigurationError: the configuration has a mistake.
        NotTheLeader: the lock was lost.
    """
    loaded = Settings.load(path)
    record, clock = loaded.controller, SystemClock()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    watch = asyncio.create_task(_watch_parent(stop, clock, enabled=record.stop_with_parent))
    database = Database(record.database_url, loaded.identity.encryption_key)
    cloud = loaded.aws or loaded.azure
    assert cloud
    provider = make_provider(cloud, loaded.identity.hub_id, clock)
    lock = database.lock()
    prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", SERVICE_PREFIX)
    introduce(loaded.identity.service_token, prefix)
    try:
        if await _lead(lock, record, stop, clock, prefix):
            await asyncio.to_thread(database.migrate)
            # Before any amount is written: from then on the units stay.
            await database.run(price_book.configure, loaded.prices.unit, COST_UNIT)
            await database.run(allowance.set_up, loaded.credit, seconds_of(clock.now()))

            async def leads() -> bool:
                return not await asyncio.to_thread(lock.lost)

            api = os.environ.get("JUPYTERHUB_API_URL")
            hub = Hub(api, loaded.identity.service_token) if api else None
            controller = Controller(loaded, provider, database, clock, leads, hub)
            async with _listening(application(controller.services, prefix), record.bind_url):
                await _until(stop, controller.run())
    finally:
        watch.cancel()
        await provider.close()
        await asyncio.to_thread(database.close)
        lock.release()


async def _lead(
    lock: Lock, record: settings.ControllerRecord, stop: asyncio.Event, clock: Clock, prefix: str
) -> bool:
    """Wait for the lock, answering that we stand by. False when we were told to stop."""
    if await asyncio.to_thread(lock.acquire):
        return True
    _log.info("another controller holds the lock; this one stands by")
    async with _listening(standby(prefix), record.bind_url, shared=True):
        while not stop.is_set():
            if await asyncio.to_thread(lock.acquire):
                _log.info("the lock is free; this controller takes over")
                return True
            await clock.sleep(_LOCK_SECONDS)
    return False


async def _until(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Run `work` until it ends or `stop` is set; an error of `work` is raised."""
    task = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
    finally:
        for one in (task, stopping):
            one.cancel()
        await asyncio.gather(task, stopping, return_exceptions=True)


@contextlib.asynccontextmanager
async def _listening(app: Application, url: str, *, shared: bool = False) -> AsyncIterator[None]:
    """Answer at `url`. A standby whose address is taken by the leader on this host stays silent.

    Connections end with it: one that is kept alive would be answered by the standby for ever.
    """
    parts = urlsplit(url)
    server = http_server(app)
    try:
        server.listen(parts.port or 80, parts.hostname or "127.0.0.1")
    except OSError as error:
        if not shared:
            raise ConfigurationError(f"c.Controller.bind_url {url}: {error}") from error
    try:
        yield
    finally:
        server.stop()
        await server.close_all_connections()


async def _watch_parent(stop: asyncio.Event, clock: Clock, *, enabled: bool) -> None:
    """A managed controller ends with the hub: a killed hub leaves its services alive otherwise."""
    if not enabled or "JUPYTERHUB_SERVICE_NAME" not in os.environ:
        return
    parent = os.getppid()
    while os.getppid() == parent:
        await clock.sleep(_PARENT_SECONDS)
    _log.warning("the hub that started this controller is gone")
    stop.set()


def main(path: Path, *, verbose: bool = False) -> int:
    """Run the controller; 0 when it was told to stop, else what systemd should restart."""
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="[%(levelname).1s %(asctime)s %(name)s] %(message)s",
    )
    for noisy in ("azure", "botocore", "boto3", "msal", "urllib3", "asyncio", "tornado.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        asyncio.run(serve(path))
    except ConfigurationError as error:
        _log.critical("%s", error.detail)
        return 2
    except NotTheLeader as error:
        _log.critical("%s", error.detail)
        return 3
    return 0

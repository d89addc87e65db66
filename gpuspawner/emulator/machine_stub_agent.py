"""The agent of a stub machine: it boots, serves and is switched off as a real one, and misbehaves if told to.

register ─▶ orders ─▶ home ─▶ server ─▶ up ─▶ saved ─▶ off
              ▲                 └▶ failed ──▶┘
              └────── a newer generation ◀───┘
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import random
import secrets
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpuspawner.emulator.clock_ import Pace
from gpuspawner.emulator.machine_disk import CONSOLE
from gpuspawner.emulator.machine_stub_patience import Patience
from gpuspawner.emulator.machine_stub_server import SingleUser
from gpuspawner.emulator.machine_stub_wire import Disowned, Line, Orders, Unreachable

HOME_SECONDS = 2.0
RESTART_SECONDS = 2.0
LONGEST_BACKOFF = 30.0
JITTER = 0.1
_NOTHING_MEASURED = dict.fromkeys(
    ("cpu_percent", "memory_percent", "home_percent", "gpus", "server")
)
_LOG = (
    "stub: starting the server\nstub: No module named 'cardboard'\nstub: it ended with status 1\n"
)


class Phase(enum.Enum):
    """Where the machine is; the value's first word is what a heartbeat says of the server."""

    REGISTER = "stopped"
    ORDERS = "starting orders"
    HOME = "starting home"
    SERVER = "starting server"
    UP = "running"
    DEAD = "starting again"
    FAILED = "stopped failed"
    SAVED = "stopped saved"


class Agent:
    """One boot of one machine, whose id is the name of its `folder`.

    Args:
        folder: what it keeps while it is off: its key and its console.
        line: the way to the controller.
        volumes: attached to it, id to folder; changed from outside as they come and go.
        hub: the hub's version, for the server.
        behaviour: one of `behaviours.BEHAVIOURS`.
        pace: what the time is, and how to wait.
    """

    def __init__(
        self,
        folder: Path,
        line: Line,
        volumes: Mapping[str, Path],
        *,
        hub: str,
        behaviour: str,
        pace: Pace,
    ) -> None:
        self._folder = folder
        self._volumes = volumes
        self._hub = hub
        self._behaviour = behaviour
        self._line = line
        self._line.cut = behaviour == "partitioned"
        self._pace = pace
        self._patience = Patience(pace)
        self._woken = asyncio.Event()
        self._phase = Phase.REGISTER
        self._orders: Orders | None = None
        self._server: SingleUser | None = None
        self._boot_id = str(uuid.uuid4())
        self._told: set[tuple[tuple[int, float], str]] = set()
        self._outcome = ("", "")
        self._backoff = 0.0
        self._heartbeat_at = 0.0
        self._restart_at = 0.0
        self._sequence = 0
        self._must_die = False

    async def run(self) -> str:
        """Live until it is time to power off, or until cancelled; why it is time."""
        try:
            while (why := self._patience.lost()) is None:
                wait = await self._step(self._line)
                await self._pace.wait(self._woken, min(wait, self._patience.left()))
        finally:
            await self._close()
        return why

    def behave(self, behaviour: str) -> None:
        """Do otherwise from now on."""
        self._behaviour = behaviour
        self._must_die = behaviour == "dies"
        self._line.cut = behaviour == "partitioned"
        self._backoff = 0.0
        self._woken.set()

    async def _step(self, line: Line) -> float:
        """Do what is next; the seconds until the step after it."""
        try:
            await self._beat(line)
            wait = await self._advance(line)
        except Disowned as error:
            self._print(str(error))
            self._patience.disowned()
            return self._back_off()
        except Unreachable as error:
            self._print(str(error))
            return self._back_off()
        self._backoff = 0.0
        return wait

    async def _advance(self, line: Line) -> float:
        if self._phase is Phase.REGISTER:
            await line.register(self._key())
            self._patience.heard()
            self._phase = Phase.ORDERS
        if self._phase is Phase.ORDERS or self._orders is None:
            await self._take_orders(line)
        orders = self._orders
        assert orders is not None
        if self._phase is Phase.HOME:
            return await self._open_home(line, orders)
        if self._phase is Phase.SERVER:
            return await self._start_server(line, orders)
        if self._phase is Phase.UP and self._must_die:
            return await self._die()
        if self._phase is Phase.DEAD:
            return await self._revive()
        if self._phase in (Phase.FAILED, Phase.SAVED):
            await self._tell(line, orders, *self._outcome)
        return max(self._heartbeat_at - self._pace.monotonic(), 0.0)

    async def _take_orders(self, line: Line) -> None:
        orders = await line.orders()
        self._patience.heard()
        await self._close()
        if self._orders is None or self._orders.session != orders.session:
            self._patience.begin(orders)
            self._heartbeat_at = self._soon(orders.heartbeat_seconds)
        self._orders = orders
        await self._tell(line, orders, "boot")
        self._phase = Phase.HOME

    async def _open_home(self, line: Line, orders: Orders) -> float:
        await self._tell(line, orders, "home")
        if orders.address is None or orders.home not in self._volumes:
            self._phase = Phase.ORDERS
            return HOME_SECONDS
        await self._tell(line, orders, "server")
        self._phase = Phase.SERVER
        return 0.0

    async def _start_server(self, line: Line, orders: Orders) -> float:
        if self._behaviour == "fails":
            return self._end_session(Phase.FAILED, "failed", _LOG)
        if self._server is None:
            try:
                await self._serve(orders)
            except OSError as error:
                return self._end_session(Phase.FAILED, "failed", str(error))
        await self._tell(line, orders, "up")
        self._phase = Phase.UP
        return 0.0

    async def _serve(self, orders: Orders) -> None:
        server = SingleUser(
            self._folder.name,
            orders,
            self._volumes,
            hub=self._hub,
            answers=self._behaviour != "unready",
        )
        await server.start()
        self._server = server
        self._print(f"generation {orders.generation} is served")

    async def _die(self) -> float:
        """The server ends by itself; the agent sees it, says so, and starts it again."""
        self._must_die = False
        self._behaviour = "well"
        await self._close()
        self._print("the server died")
        self._phase = Phase.DEAD
        self._heartbeat_at = 0.0
        self._restart_at = self._soon(RESTART_SECONDS, jitter=0)
        return 0.0

    async def _revive(self) -> float:
        left = self._restart_at - self._pace.monotonic()
        if left > 0:
            return left
        assert self._orders is not None
        await self._serve(self._orders)
        self._phase = Phase.UP
        self._heartbeat_at = 0.0
        return 0.0

    async def _beat(self, line: Line) -> None:
        orders, now = self._orders, self._pace.monotonic()
        if orders is None or now < self._heartbeat_at:
            return
        self._heartbeat_at = self._soon(orders.heartbeat_seconds)
        self._sequence += 1
        body = {
            "generation": orders.generation,
            "boot_id": self._boot_id,
            "sequence": self._sequence,
            "server": self._phase.value.partition(" ")[0],
            "facts": _NOTHING_MEASURED,
        }
        said = await line.heartbeat(body)
        self._patience.heard()
        try:
            await self._obey(said, orders)
        except (KeyError, TypeError, ValueError) as error:
            raise Unreachable(f"a heartbeat's answer that makes no sense: {error!r}") from error

    async def _obey(self, said: dict[str, Any], orders: Orders) -> None:
        self._heartbeat_at = self._soon(float(said["next_heartbeat_seconds"]))
        if said["verdict"] == "save_and_stop":
            if self._phase is not Phase.SAVED:
                await self._close()
                self._end_session(Phase.SAVED, "saved", "")
        elif (
            int(said["generation"]) > orders.generation
            or float(said.get("issued") or 0) > orders.issued
        ):
            self._phase = Phase.ORDERS
        elif self._phase is Phase.UP and self._behaviour == "dies":
            # Told before it booted: the middle of the session is after its first heartbeat.
            self._must_die = True

    def _end_session(self, phase: Phase, stage: str, detail: str) -> float:
        self._phase = phase
        self._outcome = (stage, detail)
        self._patience.end()
        return 0.0

    async def _tell(self, line: Line, orders: Orders, stage: str, detail: str = "") -> None:
        """Report a stage, once for each generation."""
        if (orders.session, stage) not in self._told:
            await line.report(orders.generation, stage, detail)
            self._told.add((orders.session, stage))
            self._print(f"generation {orders.generation}: {stage}")
            self._patience.heard()

    def _soon(self, seconds: float, jitter: float = JITTER) -> float:
        share = random.uniform(1 - jitter, 1 + jitter)  # noqa: S311 - not a secret
        return self._pace.monotonic() + seconds * share

    def _back_off(self) -> float:
        self._backoff = min(max(2 * self._backoff, 1.0), LONGEST_BACKOFF)
        return self._backoff

    async def _close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.close()

    def _key(self) -> str:
        """The machine's key, made at its first boot; on its disk before anybody hears of it."""
        path = self._folder / "machine-key"
        if not path.is_file():
            new = path.with_suffix(".new")
            new.write_text(secrets.token_hex(32))
            new.replace(path)
        return path.read_text()

    def _print(self, line: str) -> None:
        write(self._folder, line)


def write(folder: Path, line: str) -> None:
    """Write to the console of the machine in `folder`, unless it has just been taken away."""
    with contextlib.suppress(OSError), (folder / CONSOLE).open("a") as console:
        console.write(f"{line}\n")

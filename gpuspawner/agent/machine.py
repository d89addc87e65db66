"""The loop of one machine, from boot to power-off.

    REGISTER ─▶ ORDERS ─▶ HOME ─▶ SERVER ─▶ UP ─▶ SAVED ─▶ OFF
                  ▲                  └▶ FAILED ──▶┘
                  └──────── a newer generation ◀──┘

One thread, one step at a time. Each phase does its next step and says how long to wait; heartbeats
and the dead man's switch run in between, whatever the phase.
"""

from __future__ import annotations

import enum
import logging
from dataclasses import dataclass
from pathlib import Path

from gpuspawner.agent import boot
from gpuspawner.agent.api import Api, ApiError, Disowned, NotWanted, Unreachable
from gpuspawner.agent.clock import Clock
from gpuspawner.agent.commands import CommandFailed, run
from gpuspawner.agent.deadman import DeadMan
from gpuspawner.agent.heartbeat import SENSORS, SESSION, Answer, Facts, write_session
from gpuspawner.agent.homes import Home, HomeFailed
from gpuspawner.agent.supervisor import Supervisor, clip

HOME_SECONDS = 2.0
PROBE_SECONDS = 0.25
WATCH_SECONDS = 2.0
LONGEST_BACKOFF = 30.0
OFF_SECONDS = 600.0
"""How long a machine whose session is over waits to be switched off before it does so itself."""

LOG = "var/log/gpuspawner/server.log"

log = logging.getLogger(__name__)


class Phase(enum.Enum):
    """Where the machine is."""

    REGISTER = "register"
    ORDERS = "orders"
    HOME = "home"
    SERVER = "server"
    UP = "up"
    FAILED = "failed"
    SAVED = "saved"
    OFF = "off"


@dataclass
class _Session:
    """What belongs to one generation."""

    orders: boot.Orders
    home: Home
    facts: Facts
    server: Supervisor
    home_told: bool = False


class Agent:
    """The agent of the machine below `root`.

    Args:
        root: below which every path is looked up.
        bootstrap: what the user data said.
        key: the machine's key, which is on its disk already.
        api: the way to the controller.
        clock: what the time is, and how to wait.
    """

    def __init__(
        self, root: Path, bootstrap: boot.Bootstrap, key: str, *, api: Api, clock: Clock
    ) -> None:
        self._root = root
        self._ticket = bootstrap.ticket
        self._key = key
        self._api = api
        self._clock = clock
        self._identity: boot.Identity | None = None
        self._session: _Session | None = None
        self._dead = DeadMan(clock.monotonic())
        self._backoff = 0.0
        self._heartbeat_at = 0.0
        self._sequence = 0
        self._off_at: float | None = None
        self._saved_told = False
        self._ending = False
        self.phase = Phase.REGISTER

    def run(self) -> None:
        """Live until the machine is to be off, or `end` is called."""
        while not self._ending:
            self._clock.wait(self.step())
            if self.phase is Phase.OFF:
                return
        self._close()

    def end(self) -> None:
        """The machine goes down, or the service is stopped: end the server gently and return."""
        self._ending = True
        self._clock.wake()

    def step(self) -> float:
        """Do what is next; the seconds to wait before the step after it."""
        if self._give_up():
            return 0.0
        try:
            if self._identity is not None and self._session is not None:
                self._beat(self._identity, self._session)
            wait = self._advance()
            self._backoff = 0.0
        except (Disowned, NotWanted) as error:
            log.warning("%s", error)
            self._dead = self._dead.disowned(self._clock.monotonic())
            wait = self._back_off()
        except ApiError as error:
            log.warning("%s", error)
            wait = self._back_off()
        return wait

    def _advance(self) -> float:
        """The next step of the phase."""
        if self._identity is None:
            self._identity = boot.register(self._api, self._ticket, self._key)
            self._heard()
            self.phase = Phase.ORDERS
            return 0.0
        if self.phase is Phase.ORDERS or self._session is None:
            return self._take_orders(self._identity)
        steps = {
            Phase.HOME: self._open_home,
            Phase.SERVER: self._await_server,
            Phase.UP: self._watch_server,
            Phase.SAVED: self._await_off,
            Phase.FAILED: self._await_off,
        }
        return steps[self.phase](self._session)

    def _take_orders(self, identity: boot.Identity) -> float:
        orders = boot.Orders.from_json(self._api.environment(identity.bearer))
        self._heard()
        self._dead = self._dead.limited(orders.unreachable_seconds, orders.disowned_seconds)
        self._close()
        self._session = self._new_session(orders)
        self._off_at = None
        self._saved_told = False
        self._heartbeat_at = self._clock.monotonic() + orders.heartbeat_seconds
        self._report("boot")
        self.phase = Phase.HOME
        return 0.0

    def _new_session(self, orders: boot.Orders) -> _Session:
        home = Home(self._root, orders.user)
        server = Supervisor(
            orders,
            log=self._root / LOG,
            home=home.folder,
            clock=self._clock,
            extra={
                "GPUSPAWNER_SENSORS_FILE": str(self._root / SENSORS),
                "GPUSPAWNER_SESSION_FILE": str(self._root / SESSION),
            },
        )
        return _Session(orders, home, Facts(self._root, home.folder), server)

    def _open_home(self, session: _Session) -> float:
        if not session.home_told:
            self._report("home")
            session.home_told = True
        device = session.orders.device
        if device is None:
            self.phase = Phase.ORDERS
            return self._ask_for_home(session)
        if not session.home.is_there(device):
            return HOME_SECONDS
        try:
            session.home.prepare(device)
            self._prepare_run(session)
            self._report("server")
            session.server.start()
        except (HomeFailed, CommandFailed, OSError) as error:
            return self._fail(str(error))
        self.phase = Phase.SERVER
        return PROBE_SECONDS

    def _ask_for_home(self, session: _Session) -> float:
        """Ask again every two seconds, without telling `boot` again."""
        self.phase = Phase.HOME
        identity = self._identity
        assert identity is not None
        orders = boot.Orders.from_json(self._api.environment(identity.bearer))
        self._heard()
        if orders != session.orders:
            told = session.home_told and orders.generation == session.orders.generation
            self._session = self._new_session(orders)
            self._session.home_told = told
        return 0.0 if orders.device is not None else HOME_SECONDS

    def _prepare_run(self, session: _Session) -> None:
        """The folder in which the server leaves what it sees: its own, below one that is ours."""
        folder = (self._root / SENSORS).parent
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        run(["chown", f"{session.orders.user}:{session.orders.user}", str(folder)])

    def _await_server(self, session: _Session) -> float:
        if session.server.check() == "failed":
            return self._fail(session.server.tail())
        if not session.server.answers():
            return PROBE_SECONDS
        self._report("up")
        self.phase = Phase.UP
        return 0.0

    def _watch_server(self, session: _Session) -> float:
        seen = session.server.check()
        if seen == "failed":
            return self._fail(session.server.tail())
        if seen == "restarted":
            log.warning("the server died and was started again")
        return min(WATCH_SECONDS, max(self._heartbeat_at - self._clock.monotonic(), 0.0))

    def _fail(self, detail: str) -> float:
        """Say what went wrong; then wait to be switched off as after any other end."""
        log.error("giving up: %s", detail[-500:])
        self.phase = Phase.FAILED
        self._off_at = self._clock.monotonic() + OFF_SECONDS
        self._failure = clip(detail)
        self._report("failed", self._failure)
        return WATCH_SECONDS

    def _save(self, session: _Session) -> None:
        session.server.stop()
        session.home.release()
        self._off_at = self._clock.monotonic() + OFF_SECONDS
        self.phase = Phase.SAVED

    def _await_off(self, session: _Session) -> float:
        if self.phase is Phase.SAVED and not self._saved_told:
            self._report("saved")
            self._saved_told = True
        del session
        return WATCH_SECONDS

    def _beat(self, identity: boot.Identity, session: _Session) -> None:
        now = self._clock.monotonic()
        if now < self._heartbeat_at:
            return
        self._heartbeat_at = now + session.orders.heartbeat_seconds
        # Milliseconds since boot: it grows although the agent itself may have been restarted.
        self._sequence = max(self._sequence + 1, int(now * 1000))
        body = {
            "generation": session.orders.generation,
            "boot_id": session.facts.boot_id(),
            "sequence": self._sequence,
            "server": _SERVER.get(self.phase, "stopped"),
            "facts": session.facts.read(),
        }
        answer = Answer.from_json(self._api.heartbeat(identity.bearer, body))
        self._heard()
        self._obey(answer, session)

    def _obey(self, answer: Answer, session: _Session) -> None:
        self._heartbeat_at = self._clock.monotonic() + answer.next_seconds
        self._show(dict(answer.session))
        if answer.generation > session.orders.generation:
            self.phase = Phase.ORDERS
        elif answer.verdict == "save_and_stop" and self.phase is not Phase.SAVED:
            self._save(session)

    def _give_up(self) -> bool:
        """The dead man's switch, and the end of a session that nobody switched off."""
        now = self._clock.monotonic()
        remaining, why = self._dead.remaining(now)
        if self._off_at is not None and now >= self._off_at:
            remaining, why = 0.0, "over"
        if remaining > 0:
            if remaining <= WARN_SECONDS:
                self._show({"verdict": "keep", "reason": why, "seconds_left": int(remaining)})
            return False
        log.warning("powering off: %s", why)
        self._close()
        self.phase = Phase.OFF
        run(["sync"])
        run(["shutdown", "-h", "now"])
        return True

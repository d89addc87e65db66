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
from pathlib import Path
from typing import Any

from gpuspawner.agent import boot
from gpuspawner.agent.api import Api, ApiError, Disowned, NotWanted
from gpuspawner.agent.clock import Clock
from gpuspawner.agent.commands import CommandFailed, run
from gpuspawner.agent.deadman import DeadMan
from gpuspawner.agent.heartbeat import SESSION, Answer, write_session
from gpuspawner.agent.homes import HomeFailed
from gpuspawner.agent.session import Session
from gpuspawner.agent.supervisor import clip

HOME_SECONDS = 2.0
PROBE_SECONDS = 0.25
WATCH_SECONDS = 2.0
LONGEST_BACKOFF = 30.0
WARN_SECONDS = 300.0
OFF_SECONDS = 600.0
"""How long a machine whose session is over waits to be switched off before it does so itself."""

log = logging.getLogger(__name__)


class Phase(enum.Enum):
    """Where the machine is; the value is what a heartbeat says of the server."""

    def __init__(self, server: str) -> None:
        self.server = server.partition(":")[0]

    REGISTER = "stopped:not registered"
    ORDERS = "starting:orders"
    HOME = "starting:home"
    SERVER = "starting:server"
    UP = "running"
    FAILED = "stopped:failed"
    SAVED = "stopped:saved"
    OFF = "stopped:off"


class Agent:
    """The agent of the machine below `root`.

    Args:
        root: below which every path is looked up.
        ticket: from the user data, good for one machine.
        key: the machine's key, which is on its disk already.
        api: the way to the controller.
        clock: what the time is, and how to wait.
    """

    def __init__(self, root: Path, ticket: str, key: str, *, api: Api, clock: Clock) -> None:
        self._root = root
        self._ticket = ticket
        self._key = key
        self._api = api
        self._clock = clock
        self._identity: boot.Identity | None = None
        self._session: Session | None = None
        self._dead = DeadMan(clock.monotonic())
        self._told: set[tuple[tuple[int, float], str]] = set()
        self._outcome = ("", "")
        self._backoff = 0.0
        self._heartbeat_at = 0.0
        self._sequence = 0
        self._off_at: float | None = None
        self._ending = False
        self.phase = Phase.REGISTER

    def run(self) -> None:
        """Live until the machine is to be off, or `end` is called."""
        while not self._ending and self.phase is not Phase.OFF:
            self._clock.wait(self.step())
        self._close()

    def end(self) -> None:
        """The machine goes down, or the service is stopped: end the server gently and return."""
        self._ending = True
        self._clock.wake()

    def step(self) -> float:
        """Do what is next; the seconds to wait before the step after it."""
        if self._is_over():
            return self._power_off()
        try:
            if self._identity is not None and self._session is not None:
                self._beat(self._identity, self._session)
            wait = self._advance()
        except (Disowned, NotWanted) as error:
            log.warning("%s", error)
            self._dead = self._dead.disowned(self._clock.monotonic())
            return self._back_off()
        except ApiError as error:
            log.warning("%s", error)
            return self._back_off()
        self._backoff = 0.0
        return wait

    def _advance(self) -> float:
        if self._identity is None:
            self._identity = boot.register(self._api, self._ticket, self._key)
            self._heard()
            self.phase = Phase.ORDERS
        session = self._session
        if session is None or self.phase is Phase.ORDERS:
            return self._take_orders(self._identity)
        steps = {
            Phase.HOME: self._open_home,
            Phase.SERVER: self._await_server,
            Phase.UP: self._watch_server,
        }
        return steps.get(self.phase, self._await_off)(session)

    def _take_orders(self, identity: boot.Identity) -> float:
        orders = boot.Orders.from_json(self._api.environment(identity.bearer))
        self._heard()
        self._dead = self._dead.limited(orders.unreachable_seconds, orders.disowned_seconds)
        fresh = self._session is None or self._session.orders.session != orders.session
        self._close()
        self._session = Session(self._root, orders, self._clock)
        if fresh:
            self._off_at = None
            self._heartbeat_at = self._clock.monotonic() + orders.heartbeat_seconds
        self._tell("boot")
        self.phase = Phase.HOME
        return 0.0

    def _open_home(self, session: Session) -> float:
        self._tell("home")
        if not session.is_possible():
            # Not attached yet, or not visible yet: ask again, it may have changed.
            self.phase = Phase.ORDERS
            return HOME_SECONDS
        try:
            session.open_home()
            self._tell("server")
            session.server.start()
        except (HomeFailed, CommandFailed, OSError) as error:
            return self._fail(session, str(error))
        self.phase = Phase.SERVER
        return PROBE_SECONDS

    def _await_server(self, session: Session) -> float:
        if session.server.check() == "failed":
            return self._fail(session, session.server.tail())
        if not session.server.answers():
            return PROBE_SECONDS
        self._tell("up")
        self.phase = Phase.UP
        return 0.0

    def _watch_server(self, session: Session) -> float:
        seen = session.server.check()
        if seen == "failed":
            return self._fail(session, session.server.tail())
        if seen == "restarted":
            log.warning("the server died and was started again")
        return self._until_heartbeat()

    def _fail(self, session: Session, detail: str) -> float:
        """Say what went wrong; then wait to be switched off, as after any other end."""
        log.error("the session failed")
        session.close()
        self._end_session(Phase.FAILED, "failed", clip(detail))
        return 0.0

    def _end_session(self, phase: Phase, stage: str, detail: str = "") -> None:
        self.phase = phase
        self._outcome = (stage, detail)
        self._off_at = self._clock.monotonic() + OFF_SECONDS

    def _await_off(self, session: Session) -> float:
        del session
        self._tell(*self._outcome)
        return self._until_heartbeat()

    def _until_heartbeat(self) -> float:
        return min(WATCH_SECONDS, max(self._heartbeat_at - self._clock.monotonic(), 0.0))

    def _beat(self, identity: boot.Identity, session: Session) -> None:
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
            "server": self.phase.server,
            "facts": session.facts.read(),
        }
        answer = Answer.from_json(self._api.heartbeat(identity.bearer, body))
        self._heard()
        self._heartbeat_at = self._clock.monotonic() + answer.next_seconds
        self._show(dict(answer.session))
        self._obey(answer, session)

    def _obey(self, answer: Answer, session: Session) -> None:
        """The verdict goes before a newer generation: it is about that one."""
        if answer.verdict == "save_and_stop":
            if self.phase is not Phase.SAVED:
                session.close()
                self._end_session(Phase.SAVED, "saved")
        elif answer.generation > session.orders.generation or answer.issued > session.orders.issued:
            self.phase = Phase.ORDERS

    def _tell(self, stage: str, detail: str = "") -> None:
        """Report `stage`, once for each generation."""
        assert self._session is not None
        assert self._identity is not None
        orders = self._session.orders
        if (orders.session, stage) not in self._told:
            self._api.report(self._identity.bearer, orders.generation, stage, detail)
            self._told.add((orders.session, stage))
            self._heard()

    def _is_over(self) -> bool:
        """Whether nobody answers for the machine any more; warns while that is near."""
        now = self._clock.monotonic()
        remaining, why = self._dead.remaining(now)
        if self._off_at is not None:
            remaining, why = min((remaining, why), (self._off_at - now, "over"))
        if remaining <= WARN_SECONDS and (why != "over" or remaining <= 0):
            left = max(int(remaining), 0)
            self._show({"verdict": "keep", "reason": why, "seconds_left": left})
        if remaining > 0:
            return False
        log.warning("powering off: %s", why)
        return True

    def _power_off(self) -> float:
        self._close()
        try:
            run(["sync"])
            run(["shutdown", "-h", "now"])
        except CommandFailed as error:
            log.warning("%s", error)
            return WATCH_SECONDS
        self.phase = Phase.OFF
        return 0.0

    def _close(self) -> None:
        if self._session is not None:
            self._session.close()

    def _heard(self) -> None:
        self._dead = self._dead.heard(self._clock.monotonic())

    def _back_off(self) -> float:
        self._backoff = min(max(2 * self._backoff, 1.0), LONGEST_BACKOFF)
        return self._backoff

    def _show(self, session: dict[str, Any]) -> None:
        try:
            write_session(self._root / SESSION, session)
        except OSError as error:
            log.warning("%s", error)

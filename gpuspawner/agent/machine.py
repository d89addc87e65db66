"""The loop of one machine, from boot to power-off.

    REGISTER ─▶ ORDERS ─▶ HOME ─▶ SERVER ─▶ UP ◀▶ SAVING ─▶ SAVED ─▶ OFF
                  ▲                  └▶ FAILED ───────────────▶┘
                  └──────── a newer generation ◀───────────────┘

One thread, one step at a time. Each phase does its next step and says how long to wait; heartbeats
and the dead man's switch run in between, whatever the phase.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from gpuspawner.agent import boot
from gpuspawner.agent.api import Api, ApiError, Disowned, NotWanted
from gpuspawner.agent.clock import Clock
from gpuspawner.agent.commands import CommandFailed, run
from gpuspawner.agent.deadman import DeadMan
from gpuspawner.agent.gpus import Gpus
from gpuspawner.agent.heartbeat import SESSION, Answer, write_session
from gpuspawner.agent.homes import HomeFailed
from gpuspawner.agent.phases import Phase
from gpuspawner.agent.saving import Saving
from gpuspawner.agent.session import Session
from gpuspawner.agent.supervisor import GRACE_SECONDS, clip

HOME_SECONDS = 2.0
PROBE_SECONDS = 0.25
WATCH_SECONDS = 2.0
LONGEST_BACKOFF = 30.0
OFF_SECONDS = 600.0
"""How long a machine whose session is over waits to be switched off before it does so itself."""

log = logging.getLogger(__name__)


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
        self._gpus = Gpus(clock)
        self._dead = DeadMan(clock.monotonic())
        self._told: set[tuple[tuple[int, float], str]] = set()
        self._outcome = ("", "")
        self._backoff = 0.0
        self._heartbeat_at = 0.0
        self._sequence = 0
        self._grace = GRACE_SECONDS
        self._off_at: float | None = None
        self._ending = False
        self.phase = Phase.REGISTER

    def run(self) -> None:
        """Live until the machine is to be off, or `end` is called."""
        self._gpus.start()
        while not self._ending and self.phase is not Phase.OFF:
            self._clock.wait(self.step())
        self._gpus.stop()
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
                self._session.facts.look(self._session.server.pid)
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
            Phase.SAVING: self._await_saved,
        }
        return steps.get(self.phase, self._await_off)(session)

    def _take_orders(self, identity: boot.Identity) -> float:
        orders = boot.Orders.from_json(self._api.environment(identity.bearer))
        self._heard()
        self._dead = self._dead.limited(orders.unreachable_seconds, orders.disowned_seconds)
        fresh = self._session is None or self._session.orders.session != orders.session
        self._close()
        url = self._api.url.removesuffix("/agent")
        self._session = Session(self._root, orders, self._clock, self._gpus, url)
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
        self._obey(answer, session)
        shown = dict(answer.session)
        self._show(session.saving.shown(shown) if session.saving else shown)

    def _obey(self, answer: Answer, session: Session) -> None:
        """The verdict goes before a newer generation: it is about that one."""
        if answer.verdict in {"save_and_stop", "stop_now"}:
            self._begin_to_stop(answer, session)
            return
        if self.phase is Phase.SAVING:
            self.phase, session.saving = Phase.UP, None
        if answer.generation > session.orders.generation or answer.issued > session.orders.issued:
            self.phase = Phase.ORDERS

    def _begin_to_stop(self, answer: Answer, session: Session) -> None:
        """Half of the time is for the front ends, the other half for the server."""
        if self.phase in {Phase.SAVED, Phase.SAVING}:
            return
        half = answer.save_seconds / 2
        self._grace = min(half, GRACE_SECONDS)
        if self.phase is not Phase.UP or answer.verdict == "stop_now":
            half = 0.0
        request = answer.save or f"stop-{session.orders.generation}"
        session.saving = Saving(request, self._clock.monotonic() + half)
        self.phase = Phase.SAVING

    def _await_saved(self, session: Session) -> float:
        now = self._clock.monotonic()
        if session.saving and not session.saving.is_over(now, session.facts.server(now)):
            return PROBE_SECONDS
        session.saving = None
        session.close(self._grace)
        self._end_session(Phase.SAVED, "saved")
        return 0.0

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
        if why == "over":
            return remaining <= 0
        warns, saves = self._dead.warns(why)
        if remaining <= warns:
            shown = {"verdict": "warn", "reason": why, "seconds_left": max(int(remaining), 0)}
            if remaining <= saves:
                shown = Saving(why, now).shown({**shown, "verdict": "save_and_stop"})
            self._show(shown)
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
        """Ever longer pauses, but none over the moment from which a warning or a save is due."""
        self._backoff = min(max(2 * self._backoff, 1.0), LONGEST_BACKOFF)
        remaining, why = self._dead.remaining(self._clock.monotonic())
        ahead = (remaining - one for one in (*self._dead.warns(why), 0.0))
        return min((self._backoff, *(one for one in ahead if one > 0)))

    def _show(self, session: dict[str, Any]) -> None:
        try:
            write_session(self._root / SESSION, session)
        except OSError as error:
            log.warning("%s", error)

"""A class in one process: students, their agents, an admin with a console, and a mortal controller.

A controller lives from one death to the next over the same database file. Each request to the cloud
and each commit is a *point*, with a side before and a side after; at a chosen point it dies, or
somebody else does something at the worst moment.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from gpuspawner.errors import GpuspawnerError
from gpuspawner.model import Claim, Owner, Reason, Specification
from gpuspawner.names import claim_name
from gpuspawner.store import claims
from gpuspawner.store.database import Database
from tests.controllers.stage import IDENTITY
from tests.faults.random_agents import Agents
from tests.faults.random_cloud import Cloud
from tests.faults.random_life import Killed, Life
from tests.faults.random_watch import Watch

PIECE = 5.0
"""Time passes in pieces of so many seconds at most; in each the agents act and all is metered."""
GAP = 2.0
"""Seconds between the beginnings of two passes, at the least."""
_QUIET_MINUTES = 5
"""For so long nothing happens at rest: longer than a plan waits (`Limits.orphan_grace`), and a look."""

STUDENTS = {
    "alice": ("alice", ""),
    "alice-lab": ("alice", "lab"),
    "bob": ("bob", ""),
    "carol": ("carol", ""),
    "carol-ml": ("carol", "ml"),
}
"""Five servers of three people, two of them named."""

SPECIFICATIONS = {
    "small": Specification("t4", "One T4", ("g4dn.xlarge", "g6.xlarge")),
    "large": Specification("l4", "One L4", ("g6.xlarge",)),
    "other image": Specification("other", "Another image", ("g4dn.xlarge",), image="another-lab"),
}


class School:
    """Everything that one example plays with."""

    def __init__(self, seed: int, tally: Counter[str]) -> None:
        self.tally = tally
        self.folder = Path(tempfile.mkdtemp(prefix="random-faults-", dir=_memory()))
        self.cloud = Cloud(seed, self.folder)
        self.clock = self.cloud.clock
        self.url = f"sqlite:///{self.folder}/gpuspawner.sqlite"
        shutil.copy(_template(), self.folder / "gpuspawner.sqlite")
        self._loop = asyncio.new_event_loop()
        self._eye = Database(self.url, IDENTITY.encryption_key)
        self._pending: list[list[Any]] = []
        self._interrupting = False
        self._woken = False
        self.agents = Agents(self)
        self.watch = Watch(self)
        self.clock.passed.append(self.watch.passed)
        self.cloud.point = self.point
        self.life: Life | None = Life(self)
        self.up_again_at = 0.0

    def close(self) -> None:
        self._loop.close()
        if self.life:
            self.life.database.close()
        self._eye.close()
        self.cloud.close()
        shutil.rmtree(self.folder)

    # -- what is known

    @property
    def true_now(self) -> float:
        """The cloud's time, in seconds since 1970: no jump of the controller's clock moves it."""
        return self.clock.cloud.now()

    def tags(self, machine: str) -> dict[str, str]:
        return dict(self.cloud.world.backend.tags.get(machine, {}))

    def ask(self, fn: Callable[..., Any], *args: Any) -> Any:
        """Read the database, as an onlooker or as a request that only reads."""
        with self._eye._reader.begin() as c:
            return fn(c, *args)

    def home_is_seen_at(self, machine: str) -> bool:
        world = self.life.seen.world if self.life else None
        return world is not None and any(home.machine_id == machine for home in world.homes)

    def claim(self, who: str) -> Claim | None:
        return next((one for one in self.watch.claims() if one.name == name_of(who)), None)

    # -- what people do

    def tell(self, fn: Callable[..., Any], *args: Any) -> Any:
        """One request to the controller that writes."""
        self.point("before", f"commit {fn.__name__}")
        with self._eye._engine.begin() as c:
            c.info.pop("gpuspawner_wrote", None)
            result = fn(c, *args)
            self._woken |= bool(c.info.pop("gpuspawner_wrote", False))
        self.watch.stale = True
        self.point("after", f"commit {fn.__name__}")
        return result

    def start(self, who: str, specification: Specification, owner: str = "") -> None:
        user, server = STUDENTS[who]
        now = self.clock.now()
        start_by = now + timedelta(seconds=600)
        someone = Owner(owner or f"id-{user}", user, server)
        self._request(
            claims.put_running, name_of(who), someone, specification,
            {"JUPYTERHUB_API_TOKEN": "secret"}, ["jupyterhub-singleuser"], 8888, start_by, now,
        )  # fmt: skip

    def stop(self, who: str) -> None:
        self._request(claims.put_stopped, name_of(who), None, Reason.USER, None, self.clock.now())

    def delete(self, who: str) -> None:
        self._request(claims.put_deleted, name_of(who), Reason.DELETED, self.clock.now())

    def console(self, who: str, what: str) -> None:
        """Somebody who may do so switches a machine of `who` off or on, outside the hub."""
        lifecycle = self.cloud.world.lifecycle
        for one in list(lifecycle.records.values()):
            if self.tags(one.id).get("gpuspawner:claim") != name_of(who):
                continue
            if what == "poweroff":
                lifecycle.powered(one.id, "poweroff")
            elif what == "stop" and one.state == "running":
                lifecycle.stop(one)
            elif what == "start" and one.state == "stopped":
                lifecycle.start(one)
            elif what == "terminate" and one.state not in ("shutting-down", "terminated"):
                lifecycle.terminate(one)

    def _request(self, fn: Callable[..., Any], *args: Any) -> None:
        """A controller that is down answers nobody; a refusal is shown to whoever asked."""
        if self.life is None:
            return
        try:
            self.tell(fn, *args)
        except GpuspawnerError as error:
            self.tally[f"refused: {error.code}"] += 1

    # -- what happens at points

    def at_point(self, countdown: int, doing: Callable[[], None]) -> None:
        """Do something when so many points have passed; 0 is the next one."""
        self._pending.append([countdown, doing])

    def die(self) -> None:
        """The controller is killed where it stands.

        Raises:
            Killed: always.
        """
        assert self.life
        self.life.dead = True
        self.tally["deaths"] += 1
        raise Killed

    def point(self, side: str, what: str) -> None:
        if self._interrupting or self.life is None:
            return
        if self.life.dead:
            raise Killed
        self.watch.stale = True
        self.watch.point(side, what)
        due = [doing for countdown, doing in self._pending if countdown <= 0]
        self._pending = [[left - 1, doing] for left, doing in self._pending if left > 0]
        self._interrupting = True
        try:
            for doing in due:
                self.tally["interruptions"] += 1
                doing()
        finally:
            self._interrupting = False

    def mortally(self, doing: Callable[[], Any]) -> None:
        """Do something in which the controller may die; then it is down for a while."""
        try:
            doing()
        except Killed:
            assert self.life
            left = asyncio.all_tasks(self._loop)
            if left:  # they die at their next point, which is where they stand
                self._loop.run_until_complete(asyncio.wait(left))
                for task in left:
                    task.cancelled() or task.exception()
            self.life.database.close()
            self.life = None
        if self.watch.failure:
            raise self.watch.failure

    @property
    def wrong(self) -> bool:
        """Whether there is anything to heal."""
        return bool(self.cloud.ill or self.agents.mute | self.agents.broken | self.agents.slow)

    def heal(self) -> None:
        """Nothing goes wrong any more, but for what has been set for a later point."""
        self.cloud.heal()
        self.agents.heal()

    # -- time

    def pass_time(self, seconds: float) -> None:
        """Let time pass: the controller looks when it would, agents act, everything is metered."""
        end = self.clock.monotonic() + seconds
        while (now := self.clock.monotonic()) < end:
            if self.life is None and now >= self.up_again_at:
                self.life = Life(self)
                self.tally["lives"] += 1
            if self.life and now >= self.life.next_tick:
                self.mortally(self.tick)
                continue
            until = min(end, self.life.next_tick if self.life else self.up_again_at)
            self.clock.turn(min(PIECE, max(until - now, 0.01)))
            if self.life:
                self.mortally(self.agents.act)
            if self.life and self._woken:
                self.life.next_tick = min(self.life.next_tick, self.life.began + GAP)

    def comes_to_rest(self) -> None:
        """Nothing goes wrong any more: within an hour all is as it is wanted, and stays so.

        Raises:
            Broken: it is not.
        """
        self.watch.note("nothing goes wrong any more")
        self._pending.clear()
        self.heal()
        quiet = 0
        for _ in range(60):
            self.pass_time(60)
            quiet = quiet + 1 if self.watch.rests() else 0
            if quiet == _QUIET_MINUTES:
                self.watch.at_rest()
                return
        raise self.watch.broken("an hour after the last fault there is no rest")

    def tick(self) -> None:
        """One pass of the controller."""
        life = self.life
        assert life
        life.began, self._woken, life.steps = self.clock.monotonic(), False, []
        before = Counter(self.cloud.asked)
        metered = life.seen.world is not None and self.watch.cloud_obeys()
        due = self._loop.run_until_complete(life.reconciler.tick())
        self.tally["passes"] += 1
        wait = (due - self.clock.now()).total_seconds()
        now = self.clock.monotonic()
        life.next_tick = max(life.began + GAP, now + (0 if self._woken else wait))
        if metered:
            self.watch.asked(self.cloud.asked - before, life.steps)

    def _wake(self) -> None:
        self._woken = True


def name_of(who: str) -> str:
    return claim_name(IDENTITY.hub_id, *STUDENTS[who])


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


_made: list[Path] = []


def _template() -> Path:
    """An empty database, which takes a while to make."""
    if not _made:
        import atexit  # noqa: PLC0415

        folder = tempfile.mkdtemp(prefix="random-faults-template-", dir=_memory())
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        database = Database(f"sqlite:///{folder}/empty.sqlite", IDENTITY.encryption_key)
        database.migrate()
        database.close()
        _made.append(Path(folder) / "empty.sqlite")
    return _made[0]

"""Kill one process at one step of one student's day, start it again, and see that all comes to rest.

A *life* is one student with a named server, from the first start to the deletion and back: first
start, stop, second start, delete, start again. In each of the first four one kill may happen. What
must hold is checked after each, and the student's next click must work whatever was killed.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tests.faults.campus import Campus
from tests.faults.clouds import CLOUDS
from tests.faults.steps import POINTS

FIRST, STOP, SECOND, DELETE = SCENARIOS = ("first start", "stop", "second start", "delete")
SERVER = "lab"
BYSTANDER = "bystander"
MORE = """
c.Controller.roll_call_interval = 0.5
c.Controller.roll_call_grace = 2.0
"""
ASKED_FOR = {"user", "cancelled", "deleted"}
"""Why a session may end in a life: somebody asked. (`hub_forgot` is for the hub's own death.)"""
MAKES = ("open_intent", "RunInstances", "accept_intent", "CreateVolume")
"""Around these steps the cloud does not list at once what has been made, as EC2 does not."""
HIDDEN_SECONDS = 4
LOOKS = tuple(begin for kind in CLOUDS.values() for begin in kind.quiet)
_LATE_SECONDS = 3.0
"""So long after a scenario's end its last steps, such as one more listing, are waited for."""
_DISARMED_SECONDS = 0.5
"""So long a victim that has just met its step, when the trap is taken away, may take to die."""
_CLOCK_SECONDS = 2.0
"""What the emulator's moments and ours may differ by."""


@dataclass(frozen=True)
class Step:
    """One step as `tests.faults.steps` names it."""

    kind: str
    what: str
    ordinal: int

    def __str__(self) -> str:
        return self.what if self.ordinal == 1 else f"{self.what} #{self.ordinal}"


@dataclass(frozen=True)
class Kill:
    """Where to kill."""

    scenario: str
    step: Step
    point: str

    def __str__(self) -> str:
        return f"{self.scenario}, {self.step}, {self.point}"


@dataclass
class Row:
    """What came of one kill. Times in seconds."""

    victim: str
    scenario: str
    kind: str
    what: str
    ordinal: int
    point: str
    reached: bool = False
    outcome: str = ""
    next_click: str = ""
    rest_seconds: float = 0.0
    leak_seconds: float = 0.0
    doubles: int = 0
    false_stops: int = 0
    trouble: str = ""

    @property
    def polls(self) -> bool:
        """Whether it is a look that is repeated: how often, depends on how quick everything is.

        What several listings show one after the other is read several times, and once if one shows it.
        """
        repeated = self.what == "settle_all" and self.ordinal > 1
        return self.what.startswith(LOOKS) or self.what == "record" or repeated

    def __str__(self) -> str:
        return f"{self.scenario}, {self.what} #{self.ordinal}, {self.point}: {self.outcome or '?'}"


Golden = Mapping[str, list[Step]]


@dataclass
class Sweep:
    """All kills of one kind of process, on one campus that stays.

    Args:
        campus: not open yet.
        victim: `controller` or `hub`.
        name: of the sweep, in files and tables.
    """

    campus: Campus
    victim: str
    name: str
    rows: list[Row] = field(default_factory=list)
    golden: dict[str, list[Step]] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)
    _armed: int = 0

    def open(self) -> None:
        """Start everything, with one student in the middle of work who wants to be left alone."""
        campus = self.campus
        campus.pause = 0.1
        campus.start_cloud()
        campus.write_config()
        if not campus.managed:
            campus.start_controller(steps=True)
        campus.start_hub(steps=True)
        campus.until(lambda: campus.health() not in ("", "starting"))
        campus.watch()
        campus.started(BYSTANDER)
        campus.rest()

    # -- the golden day

    def record(self) -> Golden:
        """Play one day in which nobody dies, and write down its steps in order."""
        day = Life(self, "golden")
        for scenario in SCENARIOS:
            number = self.arm()
            day.play(scenario)
            self.golden[scenario] = self._steps_of(number)
            self.disarm()
        day.come_back()
        return self.golden

    def _steps_of(self, number: str) -> list[Step]:
        path = self.campus.folder / f"{self.victim}.steps"
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return [
            Step(line["kind"], line["what"], line["ordinal"])
            for line in lines
            if line["id"] == number and "what" in line
        ]

    # -- the sweep

    def run(self, kills: Iterable[Kill], say: Callable[[str], None] = print) -> None:
        """Spread the kills over lives, and live them, until it is `over`.

        What goes wrong is noted in the rows.

        Raises:
            Exception: of the third life that is broken: going on says nothing.
        """
        queues: dict[str, list[Kill]] = {scenario: [] for scenario in SCENARIOS}
        for kill in kills:
            queues[kill.scenario].append(kill)
        broken = 0
        for number in range(max(map(len, queues.values()))):
            if self.over.is_set():
                return
            own = {s: queue[number] for s, queue in queues.items() if number < len(queue)}
            life = Life(self, f"{self.name}-{number}")
            try:
                life.live(own, say)
            except Exception as error:
                broken += 1
                self._note_trouble(life, error)
                say(f"{self.name}, life {number} is broken: {str(error)[:300]}")
                self.revive()
                if broken == 3:
                    raise

    def _note_trouble(self, life: Life, error: Exception) -> None:
        """The world goes into a file of its own; without a case it is the life that is broken."""
        if not life.rows:
            life.rows.append(Row(self.victim, "?", "", "?", 0, "?"))
            self.rows.append(life.rows[-1])
        row = life.rows[-1]
        row.trouble = f"{life.user}, {row}: {repr(error)[:300]}"
        folder = results()
        (folder / f"{life.user}.txt").write_text(f"{life.story()}\n{error}", encoding="utf-8")

    def revive(self) -> None:
        """The victim lives and is armed for nothing."""
        self.disarm()
        if not self.campus.alive(self.victim):
            self.restart()

    def restart(self) -> None:
        """Start the victim again."""
        if self.victim == "controller":
            self.campus.start_controller(steps=True)
        else:
            self.campus.start_hub(steps=True)

    def arm(self, kill: Kill | None = None) -> str:
        """Count steps from now on and, with `kill`, die there. Returns the name of the count."""
        self._armed += 1
        order: dict[str, Any] = {"id": f"{self.name} {self._armed}"}
        if kill:
            order |= {**asdict(kill.step), "point": kill.point}
        self._write(order)
        return order["id"]

    def disarm(self) -> None:
        """Count nothing."""
        self._write({})

    def _write(self, order: Mapping[str, Any]) -> None:
        path = self.campus.folder / f"{self.victim}.kill"
        new = path.with_suffix(".new")
        new.write_text(json.dumps(order), encoding="utf-8")
        new.replace(path)  # whole or not at all


class Life:
    """One student's day."""

    def __init__(self, sweep: Sweep, user: str) -> None:
        self.sweep, self.campus, self.user = sweep, sweep.campus, user
        self.rows: list[Row] = []
        self.machine = ""
        self.home = ""
        self.wanted: list[tuple[datetime, datetime]] = []
        self._began: datetime | None = None
        self._notes: list[str] = []
        self.campus.student(user)

    def live(self, kills: Mapping[str, Kill], say: Callable[[str], None]) -> None:
        """The whole day, with a kill in some of its scenarios."""
        for scenario in SCENARIOS:
            if scenario in kills:
                self.die_in(kills[scenario])
                say(f"{self.sweep.name}: {self.rows[-1]}, {self.rows[-1].rest_seconds:.1f} s")
            else:
                self.play(scenario)
        if DELETE in kills:
            self.come_back()
        else:
            self._bill()

    def play(self, scenario: str) -> None:
        """Undisturbed."""
        self._press(scenario)
        self.campus.until(lambda: self._arrived(scenario))
        self._rest()
        self._check(scenario)

    def die_in(self, kill: Kill) -> None:
        """The victim is killed in the middle; afterwards all is at rest and in order."""
        row = Row(self.sweep.victim, kill.scenario, **asdict(kill.step), point=kill.point)
        self.rows.append(row)
        self.sweep.rows.append(row)
        campus, victim = self.campus, self.sweep.victim
        leaked, doubles = campus.tally.leaked, len(campus.tally.doubles)
        self._note(f"armed: {kill}")
        if kill.step.what in map(campus.kind.step, MAKES):
            campus.cloud("faults", {"kind": "lag", "hidden": HIDDEN_SECONDS, "stale": 0})
        self.sweep.arm(kill)
        with ThreadPoolExecutor(1) as finger:
            # The hub may keep the student waiting until the controller is there again.
            pressing = finger.submit(self._press, kill.scenario)
            try:
                row.reached = self._wait_for_death(kill.scenario, pressing.done)
            finally:
                self.sweep.disarm()
                if not row.reached:
                    time.sleep(_DISARMED_SECONDS)
                died_at = time.monotonic()
                if not campus.alive(victim):
                    row.reached = True
                    self.sweep.restart()
            pressing.result()
        try:
            campus.until(lambda: self._hub_is_done(kill.scenario))
            self._rest()
            row.rest_seconds = time.monotonic() - died_at
            campus.cloud("faults", method="DELETE")
            row.outcome = self._outcome(kill.scenario) if row.reached else "not reached"
            self._note(f"at rest: {row.outcome}")
            if not self._arrived(kill.scenario):
                self.play(kill.scenario)
                row.next_click = "works"
            self._check(kill.scenario)
        finally:
            row.leak_seconds = campus.tally.leaked - leaked
            row.doubles = len(campus.tally.doubles) - doubles
            row.false_stops = self._false_stops()
        self._assert(row.doubles == 0, f"two machines at once: {campus.tally.doubles}")
        self._assert(row.false_stops == 0, "a session ended that nobody asked to end")

    def come_back(self) -> None:
        """After the deletion: the same home, in a new machine. Then everything is given up."""
        before, self.machine = self.machine, ""
        self.play(FIRST)
        self._assert(self.machine != before, f"{before} was to be deleted")
        self.play(STOP)
        self.play(DELETE)
        self._assert(self._ever() == {before, self.machine}, f"machines: {self._ever()}")
        self._bill()

    # -- clicks

    def _press(self, scenario: str) -> None:
        user = self.user
        if scenario in (FIRST, SECOND):
            self._began = self._began or _now()
            status = self.campus.start(user, SERVER)
        elif scenario == STOP:
            status = self.campus.stop(user, SERVER)
        else:
            status = self.campus.delete(user, SERVER)
        self._note(f"pressed: {scenario}, {status}")

    def _arrived(self, scenario: str) -> bool:
        campus, user = self.campus, self.user
        if scenario in (FIRST, SECOND):
            return campus.ready(user, SERVER)
        if not campus.gone(user, SERVER):
            return False
        if scenario == STOP:
            return campus.in_state(user, "stopped", server=SERVER) is not None
        return not campus.machines(user, SERVER) and campus.view(user, SERVER) is None

    def _wait_for_death(self, scenario: str, pressed: Callable[[], bool]) -> bool:
        """Until the victim has died, or the scenario has come to its end without."""
        campus, victim = self.campus, self.sweep.victim
        campus.until(lambda: not campus.alive(victim) or (pressed() and self._arrived(scenario)))
        with contextlib.suppress(AssertionError):
            campus.until(lambda: not campus.alive(victim), _LATE_SECONDS)
        if campus.alive(victim):
            return False
        campus.wait_death(victim)
        return True

    def _rest(self) -> None:
        """Until nothing moves any more, neither in the cloud nor in the hub."""
        campus = self.campus

        def rests() -> bool:
            found = campus.server(self.user, SERVER)
            return not (found and found["pending"]) and campus.at_rest()

        campus.until(lambda: rests() and rests(), 90)

    def _hub_is_done(self, scenario: str) -> bool:
        """Whether the hub that was asked does nothing more: deleting, it shows nothing pending."""
        if scenario != DELETE or self.sweep.victim == "hub":
            return True
        path = f"users/{self.user}?include_stopped_servers=1"
        return SERVER not in self.campus.hub("GET", path)[1]["servers"]

    def _outcome(self, scenario: str) -> str:
        view = self.campus.view(self.user, SERVER)
        if scenario in (FIRST, SECOND):
            if self._arrived(scenario):
                return "ready"
            if view is None:
                return "nothing began"
            why = f" ({view['reason']})" if view["generation"] > 1 or scenario == FIRST else ""
            return f"off{why}" if self.campus.machines(self.user, SERVER) else f"no machine{why}"
        if self._arrived(scenario):
            return "off" if scenario == STOP else "deleted"
        return "still running" if scenario == STOP else "still there"

    # -- what must hold

    def _check(self, scenario: str) -> None:
        """One machine, one home with the same file in it, and nobody else was disturbed."""
        campus, user = self.campus, self.user
        self._assert(not campus.violations(), str(campus.violations()))
        if scenario in (FIRST, SECOND):
            machine = campus.machine(user, SERVER)["id"]
            self._assert(self.machine in ("", machine), f"{machine} after {self.machine}")
            self.machine = machine
            self._visit()
        elif self._began:
            self.wanted.append((self._began, _now()))
            self._began = None
        self._assert(self._is_left_alone(BYSTANDER), "the bystander was disturbed")

    def _visit(self) -> None:
        """The file of this student is in the home; the first visit puts it there."""
        about = self.campus.page(self.user, "/stub", SERVER)[1]
        self._assert(about["user"] == self.user, f"met {about}")
        self._assert(self.home in ("", about["home"]), f"{about['home']} after {self.home}")
        path, text = "/stub/file/thesis", {"by": self.user}
        if not self.home:
            self.campus.page(self.user, path, SERVER, "PUT", text)
        self.home = about["home"]
        found = self.campus.page(self.user, path, SERVER)
        self._assert(found == (200, text), f"in the home: {found}")

    def _is_left_alone(self, user: str) -> bool:
        """Whether the session goes on that began when the campus was opened."""
        campus = self.campus
        wishes = campus.rows("SELECT action FROM audit WHERE claim = ? AND action IN ('running', "
                             "'stopped', 'adopted')", campus.claim_of(user))  # fmt: skip
        lines = self._lines(campus.machine(user)["id"])
        return (
            campus.ready(user)
            and [one["action"] for one in wishes] == ["running"]
            and [line["to"] for line in lines] == [None]
        )

    def _false_stops(self) -> int:
        """Sessions that ended although nobody had asked for it."""
        allowed = ASKED_FOR | ({"hub_forgot"} if self.sweep.victim == "hub" else set())
        ended = self.campus.rows(
            "SELECT reason FROM audit WHERE claim = ? AND action = 'stopped'", self._claim
        )
        false = len([one for one in ended if one["reason"] not in allowed])
        return false + (not self._is_left_alone(BYSTANDER))

    def _ever(self) -> set[str]:
        """All machines that this student has ever had."""
        return {
            one["id"]
            for one in self.campus.cloud("machines")["machines"]
            if one["tags"].get("gpuspawner:claim") == self._claim
        }

    def _lines(self, machine: str) -> list[dict[str, Any]]:
        lines = self.campus.cloud("bill")["lines"]
        return [line for line in lines if (line["kind"], line["id"]) == ("machine", machine)]

    def _bill(self) -> None:
        """Every second of a machine that is billed lies in a time in which the student wanted it."""
        for machine in self._ever():
            for line in self._lines(machine):
                begin, end = _moment(line["from"]), _moment(line["to"])
                covered = any(
                    (since - begin).total_seconds() < _CLOCK_SECONDS
                    and (end - until).total_seconds() < _CLOCK_SECONDS
                    for since, until in self.wanted
                )
                self._assert(covered, f"billed {line}, wanted {self.wanted}")

    @property
    def _claim(self) -> str:
        return self.campus.claim_of(self.user, SERVER)

    def _assert(self, true: bool, trouble: str) -> None:
        if not true:
            raise AssertionError(f"{trouble}\n{self.story()}\n{self.campus.world()}")

    def _note(self, text: str) -> None:
        self._notes.append(f"{_now():%H:%M:%S.%f} {text}")

    def story(self) -> str:
        """What happened in this life, and what the controller wrote down of it."""
        lines = list(self._notes)
        with contextlib.suppress(Exception):
            audit = self.campus.rows("SELECT * FROM audit WHERE claim = ?", self._claim)
            lines += [json.dumps(one, default=str) for one in audit]
        return "\n".join(lines)


def all_kills(golden: Golden) -> list[Kill]:
    """Every point of every step."""
    return [
        Kill(scenario, step, point)
        for scenario in SCENARIOS
        for step in golden[scenario]
        for point in POINTS[step.kind]
    ]


def chosen_kills(golden: Golden, sample: Mapping[str, list[str]]) -> list[Kill]:
    """The kills of a sample, each `what [#ordinal] point`; all must be steps of the golden day.

    Raises:
        KeyError: the day has no such step any more.
    """
    kills = []
    for scenario, names in sample.items():
        steps = {str(step): step for step in golden[scenario]}
        for name in names:
            what, _, point = name.rpartition(" ")
            kills.append(Kill(scenario, steps[what], point))
    return kills


def left_out(golden: Golden, kills: Iterable[Kill]) -> set[str]:
    """The names of steps of the golden day at which nobody is killed."""
    return {step.what for steps in golden.values() for step in steps} - {
        kill.step.what for kill in kills
    }


def results() -> Path:
    """Where tables and troubles are written."""
    folder = Path(__file__).parents[2] / "build" / "faults"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _moment(text: str | None) -> datetime:
    if text is None:
        return datetime.max.replace(tzinfo=timezone.utc)
    return datetime.fromisoformat(text.replace("Z", "+00:00"))

"""Lost answers, lag, strange pages, errors, throttling, clock jumps and deaths, drawn at random.

Hypothesis plays a class against the emulated EC2 and looks for a play after which something leaks,
doubles, is lost or is stopped while it was wanted. `GPUSPAWNER_FAULTS=all` plays for much longer:
40 parts of GPUSPAWNER_PLAYS plays, 15 unless it says otherwise, each of four seconds and more.
"""

from __future__ import annotations

import os
import sys
from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.faults.random_class import SPECIFICATIONS, STUDENTS, School

pytestmark = [pytest.mark.emulator, pytest.mark.faults]

ALL = os.environ.get("GPUSPAWNER_FAULTS") == "all"
PARTS, EXAMPLES = (40, int(os.environ.get("GPUSPAWNER_PLAYS", "15"))) if ALL else (4, 4)
tally: Counter[str] = Counter()

WHO = st.sampled_from(sorted(STUDENTS))
CONSOLE = st.sampled_from(["poweroff", "stop", "start", "terminate"])
PRESSES = [*SPECIFICATIONS, "small", "stop", "delete", "taken over"]
PRESSED = st.sampled_from(PRESSES)
ACTIONS = st.sampled_from(
    [
        "RunInstances", "StartInstances", "StopInstances", "TerminateInstances", "CreateVolume",
        "AttachVolume", "DescribeInstances", "DescribeVolumes", "Describe*", "*",
    ]
)  # fmt: skip
CODES = st.sampled_from(
    ["no answer", "InternalError", "RequestLimitExceeded", "ServiceUnavailable", "Unavailable"]
)
WHEN = st.sampled_from(["before", "after"])
JUMPS = st.sampled_from([-3 * 3600, -300, -60, 60, 300, 3 * 3600])
POINTS = st.integers(0, 25)
MOMENT = 2.0


class Faults(RuleBasedStateMachine):
    """A class, and everything that goes wrong in it."""

    @initialize(at_once=st.sets(WHO, max_size=3), patience=st.integers(0, 90))
    def begins(self, at_once: set[str], patience: int) -> None:
        tally["examples"] += 1
        self.school = School(len(at_once), tally)
        for who in sorted(at_once):
            self.somebody_presses(who, "small")
        self.time_passes(patience)

    def does(self, what: str) -> School:
        tally["steps"] += 1
        tally[f"rule: {what.partition(':')[0]}"] += 1
        self.school.watch.note(what)
        return self.school

    # -- people

    @rule(who=WHO, what=PRESSED)
    def somebody_presses(self, who: str, what: str) -> None:
        school = self.does(f"press: {what}, {who}")
        school.mortally(lambda: press(school, who, what))
        school.pass_time(MOMENT)

    @rule(who=WHO, what=CONSOLE)
    def admin_uses_the_console(self, who: str, what: str) -> None:
        school = self.does(f"console: {what}, {who}")
        school.console(who, what)
        school.pass_time(MOMENT)

    @rule(who=WHO, how=st.sampled_from(["mute", "broken", "slow"]))
    def agent_goes_wrong(self, who: str, how: str) -> None:
        school = self.does(f"agent: {how}, {who}")
        claim = school.claim(who)
        if claim and claim.machine_id:
            getattr(school.agents, how).add(claim.machine_id)

    # -- the worst moment

    @rule(points=POINTS, down=st.integers(0, 200))
    def controller_is_going_to_die(self, points: int, down: int) -> None:
        school = self.does(f"death: in {points} points, down {down} s")

        def die() -> None:
            school.up_again_at = school.clock.monotonic() + down
            school.die()

        school.at_point(points, die)

    @rule(points=POINTS, who=WHO, what=PRESSED | CONSOLE)
    def something_comes_at_the_worst_moment(self, points: int, who: str, what: str) -> None:
        school = self.does(f"in between: {what}, {who} in {points} points")
        act = press if what in PRESSES else School.console
        school.at_point(points, lambda: act(school, who, what))

    # -- the cloud

    @rule(action=ACTIONS, code=CODES, when=WHEN, count=st.integers(1, 8))
    def requests_fail(self, action: str, code: str, when: str, count: int) -> None:
        school = self.does(f"error: {code} {when} {action}, {count} times")
        how = {"drop": True} if code == "no answer" else {"code": code}
        school.cloud.post({"action": action, "when": when, "count": count, **how})

    @rule(pages=st.sampled_from(["missing", "duplicate"]), count=st.integers(1, 6))
    def pages_are_wrong(self, pages: str, count: int) -> None:
        school = self.does(f"pages: {pages} {count} times")
        school.cloud.post({"action": "DescribeInstances", "pages": pages, "count": count})

    @rule(hidden=st.integers(0, 60), stale=st.integers(0, 60))
    def listings_lag(self, hidden: int, stale: int) -> None:
        school = self.does(f"lag: hidden {hidden} s, stale {stale} s")
        school.cloud.post({"kind": "lag", "hidden": hidden, "stale": stale})

    @rule(
        size=st.sampled_from(["*", "g4dn.*", "g6.*"]),
        zone=st.sampled_from(["*", "*a", "*b"]),
        limit=st.integers(0, 2),
    )
    def machines_run_out(self, size: str, zone: str, limit: int) -> None:
        school = self.does(f"shortage: {size} {zone} {limit}")
        if zone == "*":
            school.cloud.post({"kind": "quota", "code": "L-DB2E81BA", "limit": 4 * limit})
        else:
            school.cloud.post({"kind": "capacity", "type": size, "zone": zone, "limit": limit})

    @rule(pending=st.integers(1, 90), stopping=st.integers(1, 90))
    def the_cloud_is_slow(self, pending: int, stopping: int) -> None:
        school = self.does(f"slow: pending {pending} s, stopping {stopping} s")
        school.cloud.post(
            {"kind": "throttle", "on": True},
            {"kind": "times", "pending": pending, "stopping": stopping, "shutting_down": stopping},
        )

    @precondition(lambda self: self.school.wrong)
    @rule()
    def all_is_well(self) -> None:
        school = self.does("healed")
        school.heal()

    # -- time

    @rule(seconds=st.integers(1, 150))
    def time_passes(self, seconds: int) -> None:
        self.does(f"time: {seconds} s").pass_time(seconds)

    @rule(seconds=st.integers(150, 900))
    def a_long_time_passes(self, seconds: int) -> None:
        self.does(f"long time: {seconds} s").pass_time(seconds)

    @rule(seconds=JUMPS)
    def the_clock_jumps(self, seconds: int) -> None:
        self.does(f"clock: {seconds:+} s").clock.jump(seconds)

    @rule(seconds=st.integers(1, 60))
    def a_moment_passes(self, seconds: int) -> None:
        self.does(f"time: {seconds} s").pass_time(seconds)

    def teardown(self) -> None:
        if not hasattr(self, "school"):
            return
        try:
            if sys.exc_info()[0] is None:
                self.school.comes_to_rest()
        finally:
            self.school.close()


def press(school: School, who: str, what: str) -> None:
    """What a student can press; or somebody else, who has got the student's name since."""
    if what == "stop":
        school.stop(who)
    elif what == "delete":
        school.delete(who)
    elif what == "taken over":
        school.start(who, SPECIFICATIONS["small"], owner="id-newcomer")
    else:
        school.start(who, SPECIFICATIONS[what])


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.timeout(1800 if ALL else 120)
def test_whatever_goes_wrong_nothing_leaks_doubles_is_lost_or_is_stopped(part: int, capsys):
    tally.clear()
    run_state_machine_as_test(
        # Where the change is judged and not the day's luck, each part has its own dice.
        seed(part)(Faults) if "CI" in os.environ else Faults,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            # To explain a failure Hypothesis traces every line, before there is one.
            phases=[Phase.reuse, Phase.generate, Phase.shrink],
            print_blob=True,
        ),
    )
    with capsys.disabled():
        sys.stdout.write("\n" + report(tally) + "\n")
    assert (tally["leak seconds"], tally["false stops"]) == (0, 0)


def report(counts: Counter[str]) -> str:
    """What was played, and the two figures that must be 0."""
    rules = ", ".join(
        f"{count} {name[6:]}" for name, count in sorted(counts.items()) if name.startswith("rule: ")
    )
    return (
        f"random faults: {counts['examples']} examples, {counts['steps']} steps, "
        f"{counts['passes']} passes of the controller, {counts['deaths']} deaths; "
        f"leak-minutes {counts['leak seconds'] / 60:g}, false stops {counts['false stops']}\n  {rules}"
    )

"""The sweep sees what it is there to see: machines without an owner, two at once, and where it kills."""

from __future__ import annotations

import itertools
import json
import signal
from collections import Counter

import pytest

from tests.faults import steps
from tests.faults.campus import Campus
from tests.faults.steps import CLOUD, COMMIT, Watch
from tests.faults.sweep import DELETE, FIRST, Kill, Row, Step, all_kills, chosen_kills, left_out
from tests.faults.sweep_table import figures, table


class Painted(Campus):
    """A campus without processes: the test says what would be seen."""

    def __init__(self, folder):
        super().__init__(folder)
        self.billed, self.claims, self.intents = [], [], []
        self.unowned = {}

    def machines(self, user=None, server=""):
        return self.billed

    def rows(self, query, *values):
        return self.claims if "FROM claims" in query else self.intents

    def look(self, *moments):
        """Look at these moments, in seconds."""
        for before, now in itertools.pairwise(moments):
            self._look(self.unowned, now, now - before)


def machine(number, claim="alice", state="running"):
    tags = {"gpuspawner:claim": claim, "gpuspawner:intent": f"intent-{number}"}
    return {"id": f"i-{number}", "state": state, "tags": tags}


@pytest.fixture
def painted(tmp_path):
    return Painted(tmp_path)


def test_a_machine_that_nobody_owns_leaks_once_the_grace_is_over(painted):
    painted.billed = [machine(1)]
    painted.look(0, 1, painted.grace, painted.grace + 2, painted.grace + 5)
    assert (painted.tally.leaked, painted.tally.leaks) == (5, {"i-1": painted.grace + 4})


def test_a_machine_of_an_open_intent_or_of_a_claim_does_not_leak(painted):
    painted.billed = [machine(1), machine(2, claim="bob")]
    painted.intents = [{"id": "intent-1", "claim": "alice"}]
    painted.claims = [{"name": "bob", "machine_id": "i-2"}]
    painted.look(0, 100, 200)
    assert painted.tally.leaked == 0


def test_a_machine_that_is_off_does_not_leak(painted):
    painted.billed = [machine(1, state="stopped"), machine(2, state="stopping")]
    painted.look(0, 100, 200)
    assert painted.tally.leaked == 0


def test_a_machine_that_finds_its_owner_in_time_does_not_leak_later(painted):
    painted.billed = [machine(1)]
    painted.look(0, 1, 5)
    painted.claims = [{"name": "alice", "machine_id": "i-1"}]
    painted.look(5, 100)
    painted.claims = []
    painted.look(100, 101, 101 + painted.grace)
    assert painted.tally.leaked == 0


def test_two_billed_machines_of_one_claim_are_seen(painted):
    painted.billed = [machine(1), machine(2), machine(3, claim="bob")]
    painted.look(0, 1)
    assert painted.tally.doubles == {"alice"}


def test_a_second_machine_that_is_off_is_no_double(painted):
    painted.billed = [machine(1), machine(2, state="stopped")]
    painted.look(0, 1)
    assert painted.tally.doubles == set()


# -- where it kills


@pytest.fixture
def deaths(monkeypatch):
    """Who was killed, instead of killing."""
    found = []
    monkeypatch.setattr(steps.os, "kill", lambda _pid, number: found.append(number))
    return found


def armed(tmp_path, **order):
    watch = Watch(tmp_path / "it.steps")
    (tmp_path / "it.kill").write_text(json.dumps({"id": "1", **order}))
    return watch


def test_it_dies_at_the_step_and_point_that_was_said(tmp_path, deaths):
    watch = armed(tmp_path, kind=CLOUD, what="RunInstances", ordinal=2, point="acted")
    for _ in range(2):
        ordinal = watch.begin(CLOUD, "RunInstances")
        watch.reach(CLOUD, "RunInstances", ordinal, "acted")
    assert deaths == [signal.SIGKILL]


@pytest.mark.parametrize(
    ("kind", "what", "point"),
    [
        (CLOUD, "RunInstances", "after"),
        (CLOUD, "StopInstances", "acted"),
        (COMMIT, "RunInstances", "acted"),
    ],
)
def test_it_does_not_die_anywhere_else(tmp_path, deaths, kind, what, point):
    watch = armed(tmp_path, kind=CLOUD, what="RunInstances", ordinal=1, point="acted")
    watch.reach(kind, what, watch.begin(kind, what), point)
    assert deaths == []


def test_a_step_is_counted_from_when_the_test_armed(tmp_path, deaths):
    watch = armed(tmp_path)
    watch.begin(CLOUD, "RunInstances")
    (tmp_path / "it.kill").write_text(json.dumps({"id": "2"}))
    watch.begin(CLOUD, "RunInstances")
    written = [json.loads(line) for line in (tmp_path / "it.steps").read_text().splitlines()]
    assert Counter((line["id"], line["ordinal"]) for line in written) == {("1", 1): 1, ("2", 1): 1}
    assert deaths == []


def test_without_an_order_nothing_is_counted(tmp_path, deaths):
    watch = Watch(tmp_path / "it.steps")
    assert watch.begin(CLOUD, "RunInstances") == 0
    watch.reach(CLOUD, "RunInstances", 0, "acted")
    assert (deaths, (tmp_path / "it.steps").exists()) == ([], False)


# -- what is chosen, and what is told

RUN, FORGET = Step(CLOUD, "RunInstances", 1), Step(COMMIT, "forget", 2)
GOLDEN = {FIRST: [RUN], DELETE: [FORGET], "stop": [], "second start": []}


def test_every_point_of_every_step_is_a_kill():
    assert all_kills(GOLDEN) == [
        Kill(FIRST, RUN, "before"),
        Kill(FIRST, RUN, "acted"),
        Kill(FIRST, RUN, "after"),
        Kill(DELETE, FORGET, "before"),
        Kill(DELETE, FORGET, "after"),
    ]


def test_a_sample_names_its_steps():
    chosen = chosen_kills(GOLDEN, {DELETE: ["forget #2 after"]})
    assert chosen == [Kill(DELETE, FORGET, "after")]
    assert left_out(GOLDEN, chosen) == {"RunInstances"}


def test_a_sample_cannot_name_what_is_no_step():
    with pytest.raises(KeyError):
        chosen_kills(GOLDEN, {DELETE: ["forget after"]})


def test_the_table_and_the_figures_tell_every_case():
    rows = [
        Row("hub", FIRST, CLOUD, "DescribeInstances", 1, "before", True, "ready", "", 2.0),
        Row("hub", FIRST, CLOUD, "DescribeInstances", 2, "before", True, "ready", "", 4.0),
        Row("hub", FIRST, CLOUD, "DescribeInstances", 3, "before", outcome="not reached"),
        Row("hub", FIRST, COMMIT, "forget", 2, "after", True, "off", "works", 3.0, 90.0, 1, 2, "x"),
    ]
    assert [[cell.strip() for cell in line.split("|")[1:-1]] for line in table(rows).splitlines()][
        2:
    ] == [
        [FIRST, "DescribeInstances", "not reached 1, ready 2", "–", "–", "4.0 s", "0", "0"],
        [FIRST, "forget #2", "–", "–", "**broken**", "3.0 s", "1.5", "2"],
    ]
    assert figures(rows) == {
        "cases": 4,
        "kills": 3,
        "leak_minutes": 1.5,
        "two_machines_at_once": 1,
        "false_stops": 2,
        "broken": 1,
        "rest_seconds_median": 3.0,
        "rest_seconds_longest": 4.0,
    }

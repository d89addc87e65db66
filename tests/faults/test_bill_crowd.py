"""What happens to your bill, and to everybody's pages, when forty machines run and the cloud is slow."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults import bill_campus as look
from tests.faults.bill_table import bill
from tests.faults.campus import campus

CROWD = "A whole class"
CLASS = [f"student{number}" for number in range(40)]
MORE = """
c.JupyterHub.concurrent_spawn_limit = 100
c.GPUSpawner.start_timeout = 110
c.GPUSpawner.poll_interval = 1
c.GPUSpawner.http_timeout = 600
"""


@pytest.fixture(scope="module")
def university(tmp_path_factory):
    """Forty machines run; `one.idle` is how long the hub took for an answer before they did."""
    with campus(tmp_path_factory.mktemp("crowd"), quick=True, more=MORE) as one:
        one.idle = _answers(one)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(one.student, CLASS))
            assert set(pool.map(one.start, CLASS)) <= {201, 202}
        one.until(lambda: _ready(one) == set(CLASS), 110)
        yield one


def _answers(one, number=60):
    """Seconds that the hub takes to say its version: the median of some questions in a row."""
    taken = []
    for _ in range(number):
        begun = time.perf_counter()
        assert one.hub("GET", "")[0] == 200
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def _ready(one):
    status, users = one.hub("GET", "users?state=ready&limit=200")
    return {user["name"] for user in users} & set(CLASS) if status == 200 else set()


def _known(one):
    status, users = one.hub("GET", "users?state=active&limit=200")
    return {user["name"] for user in users} & set(CLASS) if status == 200 else set()


def _looks(one):
    """How often the cloud has been asked for its machines since somebody began to count."""
    return one.cloud("calls")["calls"].get("DescribeInstances", 0)


def _running_up(one):
    return [
        line for line in one.cloud("bill")["lines"] if line["kind"] == "machine" and not line["to"]
    ]


@bill(
    CROWD,
    when="forty machines run and each answer of the cloud takes seconds",
    happens="The hub waits for no cloud: all that it is asked, it knows from memory.",
    billed="The machines, as before.",
    student="Pages as quick as ever.",
)
def test_a_slow_cloud_does_not_slow_the_hub(university):
    one = university
    with look.trouble(one, {"action": "*", "delay": 2}):
        looks = _looks(one)
        slow = _answers(one)
        while _looks(one) < looks + 2:
            slow = max(slow, _answers(one))
    # A hub that asks the cloud for each server on its loop takes 12 s here, not milliseconds.
    assert slow < 10 * one.idle + 0.5
    assert _ready(one) == set(CLASS)
    assert len(_running_up(one)) == len(CLASS)


@bill(
    CROWD,
    when="the hub is killed, and the cloud refuses all calls while it starts again",
    happens="What is not known to be off counts as on: no server is dropped and no machine is stopped.",
    billed="The machines, as before.",
    student="The servers go on.",
)
def test_throttling_while_the_hub_starts_loses_no_server(university):
    one = university
    with look.trouble(one, {"action": "*", "code": "RequestLimitExceeded"}):
        one.kill("hub")
        one.until(lambda: one.health() != "ok")
        one.start_hub()
        one.until(lambda: _ready(one) == set(CLASS))
    assert one.alive("controller")
    assert _ready(one) == set(CLASS)
    assert len(_running_up(one)) == len(CLASS)


@bill(
    CROWD,
    when="the hub starts with forty servers in its database",
    happens="It makes a spawner for each, and none of them speaks to the cloud: only the controller does.",
    billed="The machines, as before.",
    student="The servers go on.",
)
def test_making_many_spawners_makes_no_call_to_the_cloud(university):
    one = university
    one.freeze("controller")  # so that every call is the hub's
    try:
        one.kill("hub")
        one.cloud("calls", method="DELETE")
        one.start_hub()
        one.until(lambda: _known(one) == set(CLASS))
        assert one.cloud("calls")["calls"] == {}
    finally:
        one.thaw("controller")
    one.until(lambda: _ready(one) == set(CLASS))
    assert len(_running_up(one)) == len(CLASS)

"""What happens to your bill when the hub dies. Real processes throughout.

The hub is killed once, in the middle of everything, and while it is down the world goes on. Each
test looks at its own student.
"""

from __future__ import annotations

import pytest

from tests.faults import bill_campus as look
from tests.faults.bill_table import bill
from tests.faults.campus import campus

HUB = "The hub is killed, and started again"
FOR_EVER = 600
"""An `http_timeout` that no test outlives: what is quick here was not waited for."""


@pytest.fixture(scope="module")
def university(tmp_path_factory):
    more = f"c.GPUSpawner.http_timeout = {FOR_EVER}"
    with campus(tmp_path_factory.mktemp("killed"), quick=True, more=more) as one:
        before_the_kill(one)
        one.kill("hub")
        while_it_is_down(one)
        one.start_hub()
        yield one


def before_the_kill(one):
    for user in ("steady", "unlucky", "stopper", "leaving"):
        one.student(user)
        assert one.start(user) in (201, 202)
    one.first = {}
    for user in ("steady", "unlucky", "stopper", "leaving"):
        one.until(lambda user=user: one.ready(user))
        one.first[user] = one.machine(user)["id"]
    one.token = one.page("steady", "/stub")[1]["token_sha256"]
    for user in ("starting", "early"):
        one.student(user)
    look.creating(one, "starting", delay=8, count=1)
    look.behaves(one, "early", "partitioned")
    one.cloud("faults", {"action": "StopInstances", "delay": 3, "count": 1})
    assert one.start("starting") == one.start("early") == 202
    assert one.stop("leaving") == 202
    one.until(lambda: look.asked(one, "starting"))
    one.until(lambda: look.all_machines(one, "early"))
    one.until(lambda: one.view("leaving")["desired"] == "stopped")


def while_it_is_down(one):
    assert not one.hub_answers()
    look.power(one, "unlucky", "terminate")
    one.until(lambda: one.view("unlucky")["desired"] == "stopped")
    look.behaves(one, "early", "well")


@bill(
    HUB,
    when="the hub is killed while machines run",
    happens="The machines run on, and the controller looks after them. When the hub is back, it "
    "takes them over as they are.",
    billed="The machines, as before.",
    student="A hub that does not answer for a while; the server, its kernels and its files go on.",
)
def test_a_killed_hub_finds_its_running_machines_again(university):
    one = university
    one.until(lambda: one.ready("steady"))
    assert one.machine("steady")["id"] == one.first["steady"]
    assert one.page("steady", "/stub")[1]["token_sha256"] == one.token
    assert [line["to"] for line in look.lines(one, "steady")] == [None]


@bill(
    HUB,
    when="the hub is killed while the cloud is making a machine",
    happens="The controller goes on with the start. When the hub is back, it takes the new machine over.",
    billed="One machine.",
    student="The page of the starting server again, and then the server.",
)
def test_a_start_interrupted_before_there_is_a_machine_is_taken_over(university):
    one = university
    one.until(lambda: one.ready("starting"))
    assert one.page("starting", "/stub")[1]["user"] == "starting"
    assert len(look.lines(one, "starting")) == len(look.all_machines(one, "starting")) == 1


@bill(
    HUB,
    when="the hub is killed while a machine boots",
    happens="The controller goes on with the start. When the hub is back, it takes the machine over, at "
    "the address that it has by then.",
    billed="One machine.",
    student="The page of the starting server again, and then the server.",
)
def test_a_start_interrupted_while_the_machine_boots_is_taken_over(university):
    one = university
    one.until(lambda: one.ready("early"))
    assert one.page("early", "/stub")[1]["user"] == "early"
    assert len(look.lines(one, "early")) == len(look.all_machines(one, "early")) == 1


@bill(
    HUB,
    when="a machine goes away while the hub is down",
    happens="The controller ends the session at once. When the hub is back, it drops the server without "
    "knocking at its old address.",
    billed="The machine until it was gone.",
    student="A stopped server. The next start works at once.",
)
def test_a_machine_lost_while_the_hub_was_down_is_dropped_at_once(university):
    one = university
    one.until(lambda: look.over(one, "unlucky"))
    active = {user["name"] for user in one.hub("GET", "users?state=active")[1]}
    assert "unlucky" not in active
    assert one.started("unlucky")["id"] != one.first["unlucky"]


@bill(
    HUB,
    when="a student presses Stop at a hub that has just been started again",
    happens="The machine is found by the server's name, which nothing can lose, and is stopped.",
    billed="The machine until it is stopped.",
    student="A stopped server.",
)
def test_a_hub_that_knows_nothing_of_the_start_can_stop_the_machine(university):
    one = university
    one.until(lambda: one.ready("stopper"))
    assert one.stop("stopper") in (202, 204)
    one.until(lambda: look.over(one, "stopper"))
    assert one.machine("stopper")["id"] == one.first["stopper"]


@bill(
    HUB,
    when="the hub is killed while a machine is being stopped",
    happens="The controller goes on with the stop, without the hub.",
    billed="The machine until it is stopped.",
    student="A stopped server.",
)
def test_a_stop_interrupted_by_the_kill_is_carried_out(university):
    one = university
    one.until(lambda: look.over(one, "leaving"))
    assert one.machine("leaving")["id"] == one.first["leaving"]

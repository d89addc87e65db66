"""What may go wrong with a machine that is there, with real processes."""

from __future__ import annotations

import time

import pytest

from gpuspawner import identity
from tests.faults import bill_campus as bill
from tests.faults.campus import campus
from tests.faults.scenarios import scenario

pytestmark = pytest.mark.timeout(240)

IMPATIENT = """
c.Agent.unreachable_timeout = 15
c.Agent.disowned_timeout = 15
"""
"""A machine that hears nothing for so long switches itself off."""


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    with campus(tmp_path_factory.mktemp("machine"), more=IMPATIENT) as one:
        yield one


@pytest.fixture
def school(opened):
    yield opened
    opened.cloud("faults", method="DELETE")
    opened.rest()
    assert opened.violations() == []


def cut_off(school, user) -> None:
    """From now on the machine and the controller cannot reach each other."""
    rule = {"kind": "machines", "behaviour": "partitioned", "tag": school.claim_of(user)}
    school.cloud("faults", rule)


def heard_at(school, user) -> str:
    """When the machine was last heard of."""
    query = "SELECT heartbeat_at FROM claims WHERE name = ?"
    return school.rows(query, school.claim_of(user))[0]["heartbeat_at"]


# -- servers


@scenario(18)
def test_a_server_that_dies_in_mid_session_is_back_on_the_same_machine(school):
    machine = school.started("unlucky")
    bill.write(school, "unlucky", "my work")
    generation = school.view("unlucky")["generation"]
    bill.behaves(school, "unlucky", "dies")
    school.until(lambda: bill_page(school, "unlucky")[0] != 200)
    school.until(lambda: bill_page(school, "unlucky")[0] == 200)
    assert bill.read(school, "unlucky") == "my work"
    view = school.view("unlucky")
    assert (view["desired"], view["generation"], view["power"]) == (
        "running",
        generation,
        "running",
    )
    assert school.machine("unlucky")["since"] == machine["since"]


def bill_page(school, user):
    """What the student's server answers."""
    return school.page(user, "/stub")


# -- partitions


@scenario(19)
def test_a_short_partition_is_not_noticed(school):
    machine = school.started("blinking")
    school.until(lambda: heard_at(school, "blinking"))
    cut_off(school, "blinking")
    end = time.monotonic() + 4
    school.until(lambda: time.monotonic() > end)
    silent = heard_at(school, "blinking")
    school.cloud("faults", method="DELETE")
    school.until(lambda: heard_at(school, "blinking") > silent)
    view = school.view("blinking")
    assert (view["desired"], view["generation"]) == ("running", 1)
    assert school.machine("blinking")["since"] == machine["since"]


# -- behind our back


@scenario(21)
def test_a_machine_that_is_terminated_behind_our_back_is_made_anew_with_the_same_home(school):
    old = school.started("bereft")
    bill.write(school, "bereft", "my work")
    bill.power(school, "bereft", "terminate")
    school.until(lambda: bill.over(school, "bereft"))
    assert school.view("bereft")["reason"] == "machine_ended"
    new = school.started("bereft")
    assert (new["id"] != old["id"], new["volumes"]) == (True, old["volumes"])
    assert bill.read(school, "bereft") == "my work"


@scenario(22)
def test_a_machine_that_is_started_behind_our_back_is_stopped_again(school):
    school.started("woken")
    school.stopped("woken")
    bill.power(school, "woken", "start")
    assert school.machine("woken")["state"] in ("pending", "running")
    school.until(lambda: school.in_state("woken", "stopped"))
    school.until(lambda: bill.over(school, "woken"))
    assert school.view("woken")["generation"] == 1


@scenario(22)
def test_a_machine_that_was_started_while_nobody_looked_is_stopped_after_the_grace(school):
    school.started("nightly")
    school.stopped("nightly")
    school.kill("controller")
    bill.power(school, "nightly", "start")
    school.until(lambda: school.in_state("nightly", "running"))
    school.start_controller()
    school.until(lambda: school.in_state("nightly", "stopped"))
    assert school.view("nightly")["desired"] == "stopped"


# -- while the hub is down


@scenario(19, 21)
def test_machines_are_stopped_while_the_hub_is_down_and_only_those_that_should_be(school):
    reasons = {
        "asked": "admin",
        "consoled": "machine_ended",
        "off": "machine_ended",
        "lost": "machine_ended",
    }
    machines = {user: school.started(user)["id"] for user in (*reasons, "works")}
    for user in machines:
        bill.write(school, user, f"work of {user}")
    stranger = of_nobody(school)
    school.kill("hub")
    asked = school.claim_of("asked")
    assert school.api(f"claims/{asked}/stop", "POST", {"reason": "admin"})[0] == 200
    bill.power(school, "consoled", "stop")
    bill.power(school, "off", "off")
    cut_off(school, "lost")
    for user, reason in reasons.items():
        school.until(lambda user=user: school.in_state(user, "stopped"), 90)
        # One that was heard a moment ago may still be on, whatever the listing says.
        school.until(lambda user=user: school.view(user)["desired"] == "stopped", 90)
        assert school.view(user)["reason"] == reason
    school.until(lambda: state_of(school, stranger) == "stopped")
    assert school.view("works")["desired"] == "running"
    school.cloud("faults", method="DELETE")
    school.start_hub()
    school.until(lambda: school.ready("works"))
    assert bill.read(school, "works") == "work of works"
    for user in reasons:
        school.until(lambda user=user: school.gone(user))
        assert school.started(user)["id"] == machines[user]
        assert bill.read(school, user) == f"work of {user}"
        assert len(bill.all_machines(school, user)) == 1
    school.cloud(f"machines/{stranger}/power", {"action": "terminate"})
    school.until(lambda: state_of(school, stranger) == "terminated")


def of_nobody(school) -> str:
    """A machine with this hub's tag and nothing else that it could be known by."""
    hub = identity.load(school.secret).hub_id
    seed = school.cloud("seed")
    return school.kind.of_nobody(school.cloud_port, school.folder, seed, hub)


def state_of(school, machine_id) -> str:
    return next(m["state"] for m in school.cloud("machines")["machines"] if m["id"] == machine_id)

"""What the cloud may answer, or not, with real processes: one machine comes of a start, or none."""

from __future__ import annotations

import time

import pytest

from tests.faults import bill_campus as bill
from tests.faults.campus import campus
from tests.faults.scenarios import scenario

pytestmark = pytest.mark.timeout(240)

HASTE = """
import gpuspawner.providers.aws_calls, gpuspawner.providers.azure_calls
gpuspawner.providers.aws_calls._READ_SECONDS = 4
gpuspawner.providers.azure_calls._READ_SECONDS = 4
c.Controller.capacity_memory = 6
c.Controller.quota_memory = 6

import json, urllib.request
if c.Controller.provider != "azure":
    with urllib.request.urlopen(c.AWS.endpoint_url + "/_emulator/seed") as answer:
        subnets = json.load(answer)["subnets"]
    c.AWS.subnets = [subnets["us-east-1a"], subnets["us-east-1b"]]
"""
"""An answer of the cloud is waited for a few seconds only, and a refusal is soon forgotten: there
are only two zones and two sizes, which are tried in less time than that."""

SIZES = ("g4dn.xlarge", "g6.xlarge")
T4_VCPUS = "L-DB2E81BA"


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    with campus(tmp_path_factory.mktemp("create"), more=bill.HASTY + HASTE) as one:
        yield one


@pytest.fixture
def school(opened):
    yield opened
    opened.cloud("faults", method="DELETE")
    opened.until(lambda: not refused_now(opened))
    opened.rest()
    assert opened.violations() == []


def hits(school) -> int:
    """How often a fault has struck."""
    return sum(rule["hits"] for rule in school.cloud("faults")["rules"])


# -- lost answers


@scenario(8)
def test_a_machine_whose_answer_was_an_error_is_found_and_no_other_is_made(school):
    bill.creating(school, "erred", when="after", count=2, code="InternalError")
    machine = school.started("erred")
    assert hits(school) >= 1  # the listing may show it before the request is sent again
    assert [one["id"] for one in bill.all_machines(school, "erred")] == [machine["id"]]
    assert len(bill.lines(school, "erred")) == 1
    assert bill.attempts(school, "erred") == ["accepted"]


@scenario(8)
def test_a_request_that_was_lost_on_its_way_is_sent_again(school):
    bill.creating(school, "unheard", when="before", count=2, drop=True)
    school.started("unheard")
    assert (hits(school), bill.attempts(school, "unheard")) == (2, ["accepted"])
    assert len(bill.all_machines(school, "unheard")) == 1


@scenario(9)
def test_an_answer_that_comes_too_late_does_not_make_a_second_machine(school):
    bill.creating(school, "late", delay=9, count=1)
    machine = school.started("late")
    assert hits(school) == 1
    calls = school.cloud("calls")["calls"]
    school.until(
        lambda: school.cloud("calls")["calls"]["DescribeInstances"] > calls["DescribeInstances"] + 3
    )
    assert [one["id"] for one in bill.all_machines(school, "late")] == [machine["id"]]
    assert bill.attempts(school, "late") == ["accepted"]


# -- refusals


@scenario(10)
def test_starts_that_are_refused_for_too_many_calls_all_come_up(school):
    users = [school.student(f"patient{number}") for number in range(4)]
    school.cloud(
        "faults",
        [
            {"action": "RunInstances", "code": "RequestLimitExceeded", "count": 3},
            {"action": "Describe*", "code": "RequestLimitExceeded", "count": 2},
        ],
    )
    assert {school.start(user) for user in users} <= {201, 202}
    for user in users:
        school.until(lambda user=user: school.ready(user))
    assert hits(school) == 5
    assert [bill.attempts(school, user) for user in users] == [["accepted"]] * 4


@scenario(11)
def test_a_full_zone_is_left_for_another(school):
    school.cloud("faults", {"kind": "capacity", "type": "*", "zone": "us-east-1a", "limit": 0})
    machine = school.started("second-zone")
    assert (machine["type"], machine["zone"] != "us-east-1a") == ("g4dn.xlarge", True)
    assert bill.attempts(school, "second-zone") == ["refused", "accepted"]


@scenario(11)
def test_a_size_that_no_zone_has_is_left_for_the_next(school):
    school.cloud("faults", {"kind": "capacity", "type": "g4dn.xlarge", "limit": 0})
    assert school.started("second-size")["type"] == "g6.xlarge"


@scenario(11)
def test_when_nothing_is_left_the_student_reads_so_and_nothing_is_left_behind(school):
    kept = school.started("regular")
    bill.write(school, "regular", "my work")
    school.stopped("regular")
    school.cloud("faults", {"kind": "capacity", "limit": 0})
    for user in ("unlucky", "regular"):
        school.student(user)
        assert school.start(user) in (202, 500)
        message = bill.told(school, user)
        assert school.kind.word("InsufficientInstanceCapacity") not in message
        assert "capacity" in school.until(lambda user=user: school.view(user)["reason"])
        school.until(lambda user=user: bill.over(school, user))
    assert bill.all_machines(school, "unlucky") == []
    assert school.machine("regular")["id"] == kept["id"]
    school.cloud("faults", method="DELETE")
    school.until(lambda: not refused_now(school))
    assert school.started("regular")["volumes"] == kept["volumes"]
    assert bill.read(school, "regular") == "my work"


def refused_now(school) -> bool:
    """Whether a size of the profile is still remembered as not to be had."""
    cards = {one["size"]: one for one in school.api("status")[1]["sizes"]}
    return not all(cards[school.kind.word(size)]["available"] for size in SIZES)


@scenario(12)
def test_a_quota_is_asked_for_once_for_each_size_and_told_to_whom_it_concerns(school):
    school.cloud("faults", {"kind": "quota", "code": T4_VCPUS, "limit": 0})
    school.cloud("calls", method="DELETE")
    school.student("over-quota")
    assert school.start("over-quota") in (202, 500)
    message = bill.told(school, "over-quota")
    assert "Vcpu" not in message
    view = school.view("over-quota")
    assert (view["desired"], view["reason"]) == ("stopped", "quota")
    assert school.cloud("calls")["calls"]["RunInstances"] == len(SIZES)
    problem = school.api("status")[1]["problems"][view["name"]]
    assert school.kind.word("VcpuLimitExceeded") in problem
    assert bill.all_machines(school, "over-quota") == []


# -- the student in a hurry


@scenario(30)
def test_a_start_during_a_stop_ends_in_running(school):
    first = school.started("returning")
    school.cloud("faults", {"kind": "times", "stopping": 2})
    assert school.stop("returning") == 202
    school.until(lambda: school.in_state("returning", "stopping"))
    # The hub takes a start only when its own stop is over; a program that does not wait goes on.
    school.until(lambda: school.start("returning") in (201, 202))
    school.until(lambda: school.ready("returning"))
    assert school.machine("returning")["id"] == first["id"]
    assert school.machine("returning")["state"] == "running"


@scenario(30)
def test_a_deletion_during_a_start_ends_in_nothing_but_the_home(school):
    school.student("undecided")
    bill.creating(school, "undecided", delay=1, count=1)
    assert school.start("undecided", "lab") == 202
    school.until(lambda: school.view("undecided", "lab"))
    assert school.delete("undecided", "lab") in (202, 204)
    school.until(lambda: school.gone("undecided", "lab"))
    school.until(lambda: school.view("undecided", "lab") is None, 200)
    assert school.machines("undecided", "lab") == []


# -- the whole cloud


@scenario(13)
def test_refused_credentials_harm_nobody_who_works_and_heal_without_a_restart(school):
    school.started("working")
    bill.write(school, "working", "my work")
    school.student("waiting")
    process = school.processes["controller"].pid
    with bill.trouble(school, {"action": "*", "code": "AuthFailure"}):
        assert school.start("waiting") == 202
        school.until(lambda: school.health() == "degraded")
        school.cloud("calls", method="DELETE")
        end = time.monotonic() + 4
        school.until(lambda: time.monotonic() > end)
        # It looks about once a second, with two calls, and that is all.
        assert school.cloud("calls")["total"] <= 20
        assert school.kind.word("AuthFailure") in school.api("status")[1]["trouble"]
        assert bill.read(school, "working") == "my work"
        assert school.ready("working")
    school.until(lambda: school.ready("waiting"))
    assert school.health() == "ok"
    assert school.processes["controller"].pid == process
    assert school.alive("controller")
    assert school.api("status")[1]["trouble"] == ""


@scenario(20)
def test_while_the_cloud_is_away_who_works_works_a_stop_waits_and_a_start_waits_or_fails(school):
    for user in ("goes-on", "leaves"):
        school.started(user)
    bill.write(school, "goes-on", "my work")
    school.student("comes")
    school.student("hasty-comer")
    school.freeze("cloud")
    try:
        for user in ("comes", "hasty-comer"):
            assert school.start(user) == 202
        assert school.stop("leaves") in (202, 204)
        school.until(lambda: school.health() == "degraded")
        assert bill.told(school, "hasty-comer")
        assert bill.read(school, "goes-on") == "my work"
        assert school.view("leaves")["billed"]
        assert school.view("hasty-comer")["desired"] == "stopped"
    finally:
        school.thaw("cloud")
    school.until(lambda: school.in_state("leaves", "stopped"))
    school.until(lambda: school.ready("comes"))
    assert school.view("goes-on")["generation"] == 1
    school.rest()
    assert [one["state"] for one in school.machines("hasty-comer")] in ([], ["stopped"])
    assert len(bill.all_machines(school, "comes")) == 1


@scenario(14)
def test_a_machine_that_is_not_listed_yet_is_not_made_again(school):
    school.cloud("faults", {"kind": "lag", "hidden": 4, "stale": 4})
    machine = school.started("unseen")
    assert [one["id"] for one in bill.all_machines(school, "unseen")] == [machine["id"]]
    assert bill.attempts(school, "unseen") == ["accepted"]


@scenario(15)
def test_a_machine_that_is_gone_does_not_keep_another_from_stopping(school):
    for user in ("gone", "there"):
        school.started(user)
    school.cloud("faults", {"kind": "lag", "stale": 5})
    school.until(lambda: school.view("gone")["power"] == "running")
    bill.power(school, "gone", "terminate")
    for user in ("gone", "there"):
        assert school.stop(user) in (202, 204)
    school.until(lambda: school.in_state("there", "stopped"))
    school.until(lambda: bill.over(school, "gone"), 90)

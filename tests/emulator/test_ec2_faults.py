"""Everything that can be made to go wrong goes wrong as it was asked to, and not otherwise."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, HTTPClientError

from tests.emulator.ec2_worlds import Cloud, refused

pytestmark = pytest.mark.emulator

TOKEN = "7f6c1a52-0000-4000-8000-000000000001"


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud() as cloud:
        yield cloud


def test_a_rule_strikes_the_calls_it_is_meant_for(cloud: Cloud) -> None:
    cloud.fault(action="RunInstances", match={"InstanceType": "g5.*"}, code="Unsupported")

    with refused("Unsupported"):
        cloud.run(InstanceType="g5.xlarge")


def test_a_rule_does_not_strike_other_calls(cloud: Cloud) -> None:
    cloud.fault(action="RunInstances", match={"InstanceType": "g5.*"}, code="Unsupported")

    assert cloud.state(cloud.run()) == "pending"


def test_a_rule_strikes_as_often_as_it_says(cloud: Cloud) -> None:
    cloud.fault(action="Describe*", code="ServiceUnavailable", count=2)

    for _ in range(2):
        with refused("ServiceUnavailable", 503):
            cloud.describe()
    assert cloud.describe() == []
    assert cloud.get("faults")["rules"][0]["hits"] == 2


def test_a_rule_of_half_the_calls_strikes_some_of_them(cloud: Cloud) -> None:
    cloud.fault(action="DescribeVpcs", code="InternalError", probability=0.5, status=500)

    for _ in range(20):
        with contextlib.suppress(ClientError):
            cloud.ec2.describe_vpcs()
    hits = cloud.get("faults")["rules"][0]["hits"]

    assert 0 < hits < 20


def test_what_is_refused_before_has_not_happened(cloud: Cloud) -> None:
    cloud.fault(action="RunInstances", code="InternalError")

    with refused("InternalError", 500):
        cloud.run()
    assert cloud.describe() == []


def test_what_is_lost_after_has_happened_and_the_token_finds_it(cloud: Cloud) -> None:
    cloud.fault(action="RunInstances", code="InternalError", when="after", count=1)
    with refused("InternalError", 500):
        cloud.run(ClientToken=TOKEN)

    assert [one["InstanceId"] for one in cloud.describe()] == [cloud.run(ClientToken=TOKEN)]


def test_a_dropped_connection_has_no_answer(cloud: Cloud) -> None:
    cloud.fault(action="RunInstances", drop=True, when="after", count=1)
    with pytest.raises((ConnectionClosedError, HTTPClientError)):
        cloud.run(ClientToken=TOKEN)

    assert [one["InstanceId"] for one in cloud.describe()] == [cloud.run(ClientToken=TOKEN)]


def test_a_delayed_call_is_answered_all_the_same(cloud: Cloud) -> None:
    cloud.fault(action="RunInstances", delay=0.05)

    assert cloud.state(cloud.run()) == "pending"


def test_what_is_new_can_be_kept_out_of_the_listings(cloud: Cloud) -> None:
    cloud.fault(kind="lag", hidden=5)
    machine, volume = cloud.run(), cloud.volume()

    assert cloud.describe() == []
    assert cloud.ec2.describe_volumes()["Volumes"] == []
    with refused("InvalidInstanceID.NotFound"):
        cloud.describe(machine)
    cloud.advance(5)
    assert cloud.state(machine) == "pending"
    assert volume in [one["VolumeId"] for one in cloud.ec2.describe_volumes()["Volumes"]]


def test_what_is_hidden_can_be_terminated(cloud: Cloud) -> None:
    cloud.fault(kind="lag", hidden=60)
    machine = cloud.run()
    cloud.ec2.terminate_instances(InstanceIds=[machine])
    cloud.advance(60)

    assert cloud.state(machine) == "terminated"


def test_a_stale_listing_shows_and_filters_by_the_state_of_a_while_ago(cloud: Cloud) -> None:
    cloud.fault(kind="lag", stale=3)
    machine = cloud.run()
    cloud.advance(10)
    running = [{"Name": "instance-state-name", "Values": ["running"]}]

    assert (cloud.state(machine), cloud.describe(Filters=running)) == ("pending", [])
    cloud.advance(1)
    assert (cloud.state(machine), len(cloud.describe(Filters=running))) == ("running", 1)


def test_a_stale_listing_does_not_know_of_a_start_that_came_since(cloud: Cloud) -> None:
    machine = cloud.stopped()
    first = cloud.describe(machine)[0]["LaunchTime"]
    cloud.fault(kind="lag", stale=20)
    cloud.advance(60)
    cloud.ec2.start_instances(InstanceIds=[machine])
    cloud.advance(19)
    (seen,) = cloud.describe(machine)
    assert (seen["State"]["Name"], seen["LaunchTime"]) == ("stopped", first)
    cloud.advance(20)
    (seen,) = cloud.describe(machine)
    assert (seen["State"]["Name"], seen["LaunchTime"] - first) == ("running", timedelta(seconds=73))


def test_a_stale_listing_does_not_hold_the_machine_itself_back(cloud: Cloud) -> None:
    cloud.fault(kind="lag", stale=60)
    machine = cloud.running()

    answer = cloud.ec2.stop_instances(InstanceIds=[machine])["StoppingInstances"][0]

    assert answer["PreviousState"]["Name"] == "running"


def test_a_listing_can_leave_half_out_without_saying_so(cloud: Cloud) -> None:
    for _ in range(4):
        cloud.run()
    cloud.fault(action="DescribeInstances", pages="missing", count=1)

    assert [len(cloud.describe()), len(cloud.describe())] == [2, 4]


def test_a_listing_can_show_a_machine_twice(cloud: Cloud) -> None:
    machine = cloud.run()
    cloud.fault(action="DescribeInstances", pages="duplicate", count=1)

    assert [one["InstanceId"] for one in cloud.describe()] == [machine, machine]


def test_the_sixth_launch_at_once_is_throttled(cloud: Cloud) -> None:
    cloud.fault(kind="throttle", on=True)
    for _ in range(5):
        cloud.run()

    with refused("RequestLimitExceeded", 503):
        cloud.run()
    assert cloud.get("calls") == {
        "calls": {"RunInstances": 6},
        "total": 6,
        "throttled": {"RunInstances": 1},
    }


def test_two_more_launches_are_allowed_after_a_second(cloud: Cloud) -> None:
    cloud.fault(kind="throttle", on=True)
    for _ in range(5):
        cloud.run()
    cloud.advance(1)
    for _ in range(2):
        cloud.run()

    with refused("RequestLimitExceeded", 503):
        cloud.run()


def test_nothing_is_throttled_unless_it_is_switched_on(cloud: Cloud) -> None:
    for _ in range(8):
        cloud.run()

    assert cloud.get("calls")["throttled"] == {}


def test_the_delays_of_the_states_can_be_changed(cloud: Cloud) -> None:
    cloud.fault(kind="times", pending=30)
    machine = cloud.run()
    cloud.advance(29)
    late = cloud.state(machine)
    cloud.advance(1)

    assert (late, cloud.state(machine)) == ("pending", "running")


def test_deleting_the_faults_puts_everything_back(cloud: Cloud) -> None:
    before = cloud.get("faults")
    cloud.fault(kind="quota", code="L-DB2E81BA", limit=0)
    cloud.fault(kind="capacity", limit=0)
    cloud.fault(kind="throttle", on=True)
    cloud.fault(kind="lag", hidden=9, stale=9)
    cloud.fault(kind="times", pending=99)
    cloud.fault(code="InternalError")

    assert cloud.delete("faults") == before == cloud.get("faults")


def test_a_limit_of_null_takes_the_limit_away(cloud: Cloud) -> None:
    cloud.fault(kind="capacity", type="g4dn.xlarge", limit=0)
    cloud.fault(kind="capacity", type="g4dn.xlarge", limit=None)

    assert cloud.state(cloud.run()) == "pending"


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("no", "A rule is a JSON object, or a list of them."),
        ({}, "A fault needs at least one of code, drop, pages and delay."),
        (
            {"kind": "flood"},
            (
                "There is no kind 'flood'; the kinds are fault, capacity, quota, throttle, lag, "
                "times, machines."
            ),
        ),
        ({"kind": "capacity"}, "A capacity needs limit."),
        ({"kind": "throttle", "on": 1}, "The 'on' of a throttle is true or false, not 1."),
        ({"kind": "lag", "seen": 3}, "A lag has no 'seen'; it has hidden, stale."),
        (
            {"code": "X", "probability": 2},
            "The 'probability' of a fault is a number from 0 to 1, not 2.",
        ),
        (
            {"code": "X", "when": "never"},
            "The 'when' of a fault is \"before\" or \"after\", not 'never'.",
        ),
        ({"code": "X", "status": 200}, "The 'status' of a fault is an HTTP error status, not 200."),
    ],
)
def test_a_bad_rule_is_refused_in_a_sentence(cloud: Cloud, rule: object, sentence: str) -> None:
    assert cloud.post("faults", rule) == (400, {"error": sentence})


def test_a_list_with_one_bad_rule_sets_nothing(cloud: Cloud) -> None:
    status, _ = cloud.post("faults", [{"kind": "throttle", "on": True}, {"kind": "flood"}])

    assert (status, cloud.get("faults")["settings"]["throttle"]) == (400, False)

"""Faults that last, or that are about time itself: a whole hour of a class passes in a second."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from gpuspawner.model import Desired, Reason, Specification
from tests.faults.random_class import School, name_of
from tests.faults.scenarios import scenario

pytestmark = pytest.mark.emulator

SMALL = Specification("t4", "One T4", ("g4dn.xlarge", "g6.xlarge"))
HOUR = 3600.0
ALL = os.environ.get("GPUSPAWNER_FAULTS") == "all"


@pytest.fixture
def school():
    """Its watch raises when anything leaks, doubles, is lost or is stopped while it was wanted."""
    one = School(1, Counter())
    yield one
    one.close()


def wants(school, who) -> tuple[Desired, Reason | None, bool]:
    """The wish, why it is what it is, and whether the server is up."""
    claim = school.claim(who)
    return claim.desired, claim.reason, claim.up_at is not None


UP = (Desired.RUNNING, None, True)


def states(school, who) -> list[str]:
    """The states of all machines that the server ever had."""
    return [
        record.state
        for record in school.cloud.world.lifecycle.records.values()
        if school.tags(record.id).get("gpuspawner:claim") == name_of(who)
    ]


def running(school, *students) -> None:
    """Have these students' servers up."""
    for who in students:
        school.start(who, SMALL)
    school.pass_time(120)
    for who in students:
        assert (wants(school, who), states(school, who)) == (UP, ["running"])


@scenario(14)
def test_a_machine_that_is_hidden_for_a_minute_is_not_made_twice(school):
    school.cloud.post({"kind": "lag", "hidden": 60, "stale": 5})
    school.start("alice", SMALL)
    school.pass_time(240)
    assert (wants(school, "alice"), states(school, "alice")) == (UP, ["running"])


@scenario(14)
def test_a_machine_that_is_shown_for_a_minute_after_its_end_is_made_anew_once(school):
    running(school, "alice")
    school.cloud.post({"kind": "lag", "stale": 60})
    school.console("alice", "terminate")
    school.pass_time(300)
    assert wants(school, "alice")[0] is Desired.STOPPED
    school.start("alice", SMALL)
    school.pass_time(300)
    assert wants(school, "alice") == UP
    assert sorted(states(school, "alice")) == ["running", "terminated"]


@scenario(20)
def test_a_long_time_without_the_cloud_ends_no_session_and_carries_a_stop_out_once(school):
    running(school, "alice", "bob")
    school.cloud.post({"action": "*", "drop": True})
    school.stop("bob")
    school.start("carol", SMALL)
    school.pass_time(HOUR if ALL else HOUR / 4)
    assert wants(school, "alice") == UP
    school.cloud.heal()
    school.pass_time(120)
    assert (wants(school, "alice"), states(school, "alice")) == (UP, ["running"])
    assert states(school, "bob") == ["stopped"]
    assert school.cloud.asked["StopInstances"] >= 1
    # Its time to start was over long ago, and nothing of it is born now.
    assert wants(school, "carol")[:2] == (Desired.STOPPED, Reason.START_TIMEOUT)
    assert states(school, "carol") == []


@scenario(25)
@pytest.mark.parametrize("hours", [3, -3])
def test_a_clock_that_jumps_stops_nobody_who_works(school, hours):
    running(school, "alice", "bob", "carol")
    school.clock.jump(hours * HOUR)
    school.pass_time(300)
    for who in ("alice", "bob", "carol"):
        assert (wants(school, who), states(school, who)) == (UP, ["running"])
    school.stop("bob")
    school.pass_time(120)
    assert states(school, "bob") == ["stopped"]
    running(school, "bob")


@scenario(25)
def test_a_clock_that_jumps_back_in_mid_start_does_not_keep_a_start_for_ever(school):
    school.cloud.post({"kind": "times", "pending": 100_000})
    school.start("alice", SMALL)
    school.pass_time(60)
    school.clock.jump(-3 * HOUR)
    school.pass_time(700)
    assert wants(school, "alice")[:2] == (Desired.STOPPED, Reason.START_TIMEOUT)
    school.cloud.heal()


@scenario(25)
def test_a_computer_that_slept_two_hours_stops_nobody_who_works(school):
    running(school, "alice")
    # It sleeps: nobody looks while the cloud's time passes, and both clocks of ours move on.
    school.clock.turn(2 * HOUR)
    school.agents.act()
    school.pass_time(300)
    assert (wants(school, "alice"), states(school, "alice")) == (UP, ["running"])


@scenario(41)
def test_a_disk_that_its_machine_left_behind_is_deleted_and_its_home_is_kept(school):
    running(school, "alice-lab")
    record = next(iter(school.cloud.world.lifecycle.records.values()))
    ec2 = school.cloud.client("ec2", endpoint_url="http://cloud", region_name="us-east-1")
    disks = ec2.describe_instances()["Reservations"][0]["Instances"][0]["BlockDeviceMappings"]
    root = disks[0]
    ec2.modify_instance_attribute(
        InstanceId=record.id,
        BlockDeviceMappings=[
            {"DeviceName": root["DeviceName"], "Ebs": {"DeleteOnTermination": False}}
        ],
    )
    school.delete("alice-lab")
    school.pass_time(60)
    left = {one["VolumeId"] for one in ec2.describe_volumes()["Volumes"]}
    assert root["Ebs"]["VolumeId"] in left
    school.pass_time(900)
    volumes = ec2.describe_volumes()["Volumes"]
    roles = [{tag["Key"]: tag["Value"] for tag in one["Tags"]} for one in volumes]
    assert [tags["gpuspawner:role"] for tags in roles] == ["home"]
    ec2.close()

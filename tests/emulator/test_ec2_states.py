"""Instances pass from state to state as EC2's do, and refuse what EC2 refuses in between."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.emulator.ec2_worlds import Cloud, refused

pytestmark = pytest.mark.emulator


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud() as cloud:
        yield cloud


def test_a_machine_is_pending_until_it_has_had_the_time_to_boot(cloud: Cloud) -> None:
    machine = cloud.run()
    cloud.advance(7.5)

    assert cloud.state(machine) == "pending"


def test_a_machine_runs_after_it_has_had_the_time_to_boot(cloud: Cloud) -> None:
    machine = cloud.run()
    cloud.advance(8)

    assert cloud.state(machine) == "running"


def test_a_stop_is_accepted_now_and_happens_later(cloud: Cloud) -> None:
    machine = cloud.running()

    answer = cloud.ec2.stop_instances(InstanceIds=[machine])["StoppingInstances"]

    assert answer == [
        {
            "InstanceId": machine,
            "CurrentState": {"Code": 64, "Name": "stopping"},
            "PreviousState": {"Code": 16, "Name": "running"},
        }
    ]
    assert cloud.state(machine) == "stopping"
    cloud.advance(5)
    assert cloud.state(machine) == "stopped"
    assert cloud.describe(machine)[0]["StateReason"]["Code"] == "Client.UserInitiatedShutdown"


def test_when_a_machine_was_stopped_is_said_as_ec2_says_it(cloud: Cloud) -> None:
    machine = cloud.running()
    cloud.ec2.stop_instances(InstanceIds=[machine])
    cloud.advance(60)

    reason = cloud.describe(machine)[0]["StateTransitionReason"]
    assert reason == "User initiated (2027-01-15 08:00:08 GMT)"


def test_when_a_machine_switched_itself_off_is_not_said(cloud: Cloud) -> None:
    machine = cloud.running()
    cloud.emulator.world.lifecycle.powered(machine, "poweroff")
    cloud.advance(60)

    assert cloud.describe(machine)[0]["StateTransitionReason"] == ""


def test_a_stopped_machine_keeps_its_private_address_and_loses_the_public_one(cloud: Cloud) -> None:
    machine = cloud.running()
    before = cloud.describe(machine)[0]
    cloud.ec2.stop_instances(InstanceIds=[machine])
    cloud.advance(5)
    off = cloud.describe(machine)[0]
    cloud.ec2.start_instances(InstanceIds=[machine])
    after = cloud.describe(machine)[0]

    assert (before["PrivateIpAddress"], off["PrivateIpAddress"], after["PrivateIpAddress"]) == (
        "127.20.0.1",
        "127.20.0.1",
        "127.20.0.1",
    )
    assert "PublicIpAddress" not in off
    assert after["PublicIpAddress"] != before["PublicIpAddress"]


def test_the_launch_time_is_that_of_the_last_start(cloud: Cloud) -> None:
    machine = cloud.stopped()
    cloud.advance(3600)
    cloud.ec2.start_instances(InstanceIds=[machine])

    assert cloud.describe(machine)[0]["LaunchTime"].isoformat() == "2027-01-15T09:00:13+00:00"


def test_two_machines_never_have_one_address(cloud: Cloud) -> None:
    first = cloud.run()
    cloud.ec2.terminate_instances(InstanceIds=[first])
    second = cloud.run()

    assert cloud.describe(second)[0]["PrivateIpAddress"] == "127.20.0.2"


def test_a_stopping_machine_cannot_be_started(cloud: Cloud) -> None:
    machine = cloud.running()
    cloud.ec2.stop_instances(InstanceIds=[machine])

    with refused("IncorrectInstanceState"):
        cloud.ec2.start_instances(InstanceIds=[machine])


def test_a_stopped_machine_can_be_started(cloud: Cloud) -> None:
    machine = cloud.stopped()
    cloud.ec2.start_instances(InstanceIds=[machine])
    cloud.advance(8)

    assert cloud.state(machine) == "running"


def test_starting_what_runs_changes_nothing(cloud: Cloud) -> None:
    machine = cloud.running()

    answer = cloud.ec2.start_instances(InstanceIds=[machine])["StartingInstances"]

    assert (
        answer[0]["CurrentState"] == answer[0]["PreviousState"] == {"Code": 16, "Name": "running"}
    )


def test_stopping_what_is_stopped_changes_nothing(cloud: Cloud) -> None:
    machine = cloud.stopped()

    answer = cloud.ec2.stop_instances(InstanceIds=[machine])["StoppingInstances"]

    assert (
        answer[0]["CurrentState"] == answer[0]["PreviousState"] == {"Code": 80, "Name": "stopped"}
    )


def test_a_pending_machine_cannot_be_stopped(cloud: Cloud) -> None:
    machine = cloud.run()

    with refused("IncorrectInstanceState"):
        cloud.ec2.stop_instances(InstanceIds=[machine])


def test_a_pending_machine_can_be_terminated(cloud: Cloud) -> None:
    machine = cloud.run()
    cloud.ec2.terminate_instances(InstanceIds=[machine])
    cloud.advance(5)

    assert cloud.state(machine) == "terminated"
    assert cloud.lines("machine") == []


def test_a_terminated_machine_cannot_be_started(cloud: Cloud) -> None:
    machine = cloud.run()
    cloud.ec2.terminate_instances(InstanceIds=[machine])
    cloud.advance(5)

    with refused("IncorrectInstanceState"):
        cloud.ec2.start_instances(InstanceIds=[machine])


def test_a_terminated_machine_can_be_terminated_again(cloud: Cloud) -> None:
    machine = cloud.run()
    for _ in range(2):
        cloud.ec2.terminate_instances(InstanceIds=[machine])
        cloud.advance(5)

    assert cloud.state(machine) == "terminated"


def test_a_terminated_machine_is_listed_for_an_hour(cloud: Cloud) -> None:
    machine = cloud.run()
    cloud.ec2.terminate_instances(InstanceIds=[machine])
    cloud.advance(5 + 3599)

    assert cloud.state(machine) == "terminated"


def test_a_terminated_machine_is_not_listed_after_an_hour(cloud: Cloud) -> None:
    machine = cloud.run()
    cloud.ec2.terminate_instances(InstanceIds=[machine])
    cloud.advance(5 + 3600)

    with refused("InvalidInstanceID.NotFound"):
        cloud.state(machine)
    assert cloud.describe() == []


def test_one_bad_id_keeps_the_whole_batch_from_stopping(cloud: Cloud) -> None:
    machine = cloud.running()

    with refused("InvalidInstanceID.NotFound"):
        cloud.ec2.stop_instances(InstanceIds=[machine, "i-00000000000000000"])
    assert cloud.state(machine) == "running"


def test_one_machine_in_a_wrong_state_keeps_the_whole_batch_from_starting(cloud: Cloud) -> None:
    good, bad = cloud.stopped(), cloud.running()
    cloud.ec2.stop_instances(InstanceIds=[bad])

    with refused("IncorrectInstanceState"):
        cloud.ec2.start_instances(InstanceIds=[good, bad])
    assert cloud.state(good) == "stopped"


def test_an_id_that_is_none_is_told_from_an_id_that_is_not_there(cloud: Cloud) -> None:
    with refused("InvalidInstanceID.Malformed"):
        cloud.ec2.start_instances(InstanceIds=["i-nonsense"])


def test_a_stopped_machine_can_be_resized(cloud: Cloud) -> None:
    machine = cloud.stopped()
    cloud.ec2.modify_instance_attribute(InstanceId=machine, InstanceType={"Value": "g5.xlarge"})

    assert cloud.describe(machine)[0]["InstanceType"] == "g5.xlarge"


def test_a_running_machine_cannot_be_resized(cloud: Cloud) -> None:
    machine = cloud.running()

    with refused("IncorrectInstanceState"):
        cloud.ec2.modify_instance_attribute(InstanceId=machine, InstanceType={"Value": "g5.xlarge"})


def test_a_machine_cannot_be_resized_to_what_its_zone_does_not_offer(cloud: Cloud) -> None:
    machine = cloud.stopped(zone="us-east-1f")

    with refused("Unsupported"):
        cloud.ec2.modify_instance_attribute(
            InstanceId=machine, InstanceType={"Value": "g6e.xlarge"}
        )


def test_a_day_that_is_skipped_bills_like_a_day_that_passed(cloud: Cloud) -> None:
    machine = cloud.run()
    cloud.advance(24 * 3600)
    cloud.ec2.stop_instances(InstanceIds=[machine])
    cloud.advance(24 * 3600)

    # Running since second 8, and nothing for the day after the stop.
    assert cloud.lines("machine") == [("g4dn.xlarge", 86_392, 86_392 * 526_000 // 3600)]


def test_a_root_disk_is_billed_while_its_machine_is_stopped(cloud: Cloud) -> None:
    disk = {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 60, "VolumeType": "gp3"}}
    cloud.stopped(BlockDeviceMappings=[disk])
    cloud.advance(24 * 3600 - 13)

    # A day of a month of 31 days, rounded down.
    assert cloud.lines("disk") == [("gp3", 86_400, 60 * 80_000 // 31)]


def test_every_step_of_a_life_is_an_event(cloud: Cloud) -> None:
    machine = cloud.stopped()
    cloud.ec2.modify_instance_attribute(InstanceId=machine, InstanceType={"Value": "g5.xlarge"})
    cloud.ec2.terminate_instances(InstanceIds=[machine])
    cloud.advance(5)

    events = cloud.get("events")["events"]

    assert [(event["event"], event["type"], event["time"][14:19]) for event in events] == [
        ("created", "g4dn.xlarge", "00:00"),
        ("running", "g4dn.xlarge", "00:08"),
        ("stopping", "g4dn.xlarge", "00:08"),
        ("stopped", "g4dn.xlarge", "00:13"),
        ("resized", "g5.xlarge", "00:13"),
        ("shutting-down", "g5.xlarge", "00:13"),
        ("terminated", "g5.xlarge", "00:18"),
    ]
    assert cloud.get("events?since=6")["events"] == [
        {
            "number": 7,
            "time": "2027-01-15T08:00:18.000Z",
            "event": "terminated",
            "id": machine,
            "type": "g5.xlarge",
            "zone": "us-east-1a",
            "address": "127.20.0.1",
            "price_per_hour": 1.006,
        }
    ]

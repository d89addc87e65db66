"""Volumes are folders that outlive machines, and are in one machine at a time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.emulator.ec2_worlds import Cloud, refused

pytestmark = pytest.mark.emulator


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud() as cloud:
        yield cloud


def _attach(cloud: Cloud, volume: str, machine: str, device: str = "/dev/sdf") -> None:
    cloud.ec2.attach_volume(VolumeId=volume, InstanceId=machine, Device=device)


def _look(cloud: Cloud, volume: str) -> tuple[str, list[tuple[str, str]]]:
    (seen,) = cloud.ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
    return seen["State"], [(one["InstanceId"], one["State"]) for one in seen["Attachments"]]


def test_the_same_request_with_the_same_token_makes_one_volume(cloud: Cloud) -> None:
    assert cloud.volume(ClientToken="home-1") == cloud.volume(ClientToken="home-1")
    assert len(cloud.ec2.describe_volumes()["Volumes"]) == 1


def test_the_same_token_with_another_size_is_a_mismatch(cloud: Cloud) -> None:
    cloud.volume(ClientToken="home-1")

    with refused("IdempotentParameterMismatch"):
        cloud.volume(ClientToken="home-1", size=21)


def test_a_replay_shows_the_present_state_of_the_volume(cloud: Cloud) -> None:
    volume, machine = cloud.volume(ClientToken="home-1"), cloud.running()
    _attach(cloud, volume, machine)

    again = cloud.ec2.create_volume(
        AvailabilityZone="us-east-1a", Size=20, VolumeType="gp3", ClientToken="home-1"
    )

    assert (again["VolumeId"], again["State"]) == (volume, "in-use")


def test_a_volume_is_a_folder_until_it_is_deleted(cloud: Cloud) -> None:
    volume = cloud.volume()
    folder = cloud.emulator.world.volumes.path(volume)
    there = folder.is_dir()
    cloud.ec2.delete_volume(VolumeId=volume)

    assert (there, folder.exists()) == (True, False)


def test_a_volume_is_attaching_and_then_attached(cloud: Cloud) -> None:
    volume, machine = cloud.volume(), cloud.running()
    _attach(cloud, volume, machine)
    before = _look(cloud, volume)
    cloud.advance(1)

    assert before == ("in-use", [(machine, "attaching")])
    assert _look(cloud, volume) == ("in-use", [(machine, "attached")])


def test_a_volume_can_be_attached_to_a_stopped_machine(cloud: Cloud) -> None:
    volume, machine = cloud.volume(), cloud.stopped()
    _attach(cloud, volume, machine)

    assert _look(cloud, volume)[0] == "in-use"


def test_a_volume_cannot_be_attached_to_a_pending_machine(cloud: Cloud) -> None:
    volume, machine = cloud.volume(), cloud.run()

    with refused("IncorrectState"):
        _attach(cloud, volume, machine)


def test_a_volume_cannot_be_attached_in_another_zone(cloud: Cloud) -> None:
    volume, machine = cloud.volume("us-east-1b"), cloud.running()

    with refused("InvalidVolume.ZoneMismatch"):
        _attach(cloud, volume, machine)


def test_a_volume_cannot_be_attached_twice(cloud: Cloud) -> None:
    volume, first, second = cloud.volume(), cloud.running(), cloud.running()
    _attach(cloud, volume, first)

    for machine in (first, second):
        with refused("VolumeInUse"):
            _attach(cloud, volume, machine, "/dev/sdg")


def test_two_volumes_cannot_be_at_one_device(cloud: Cloud) -> None:
    first, second, machine = cloud.volume(), cloud.volume(), cloud.running()
    _attach(cloud, first, machine)

    with refused("InvalidParameterValue"):
        _attach(cloud, second, machine)


def test_a_volume_in_use_cannot_be_deleted(cloud: Cloud) -> None:
    volume, machine = cloud.volume(), cloud.running()
    _attach(cloud, volume, machine)

    with refused("VolumeInUse"):
        cloud.ec2.delete_volume(VolumeId=volume)
    assert cloud.emulator.world.volumes.path(volume).is_dir()


def test_a_detached_volume_is_available(cloud: Cloud) -> None:
    volume, machine = cloud.volume(), cloud.running()
    _attach(cloud, volume, machine)

    answer = cloud.ec2.detach_volume(VolumeId=volume)

    assert answer["State"] == "detaching"
    assert _look(cloud, volume) == ("available", [])


def test_a_volume_that_is_available_cannot_be_detached(cloud: Cloud) -> None:
    with refused("IncorrectState"):
        cloud.ec2.detach_volume(VolumeId=cloud.volume())


def test_a_root_disk_cannot_be_taken_from_a_running_machine(cloud: Cloud) -> None:
    machine = cloud.running()
    root = cloud.describe(machine)[0]["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]

    with refused("OperationNotPermitted"):
        cloud.ec2.detach_volume(VolumeId=root)


def test_a_data_volume_outlives_its_machine_and_the_root_disk_does_not(cloud: Cloud) -> None:
    volume, machine = cloud.volume(), cloud.running()
    _attach(cloud, volume, machine)
    cloud.ec2.terminate_instances(InstanceIds=[machine])
    while_it_shuts_down = _look(cloud, volume)[0]
    cloud.advance(5)

    left = cloud.ec2.describe_volumes()["Volumes"]

    assert while_it_shuts_down == "in-use"
    assert [(one["VolumeId"], one["State"]) for one in left] == [(volume, "available")]
    assert cloud.emulator.world.volumes.path(volume).is_dir()


def test_nothing_of_a_terminated_machine_is_left_but_its_data_volume(cloud: Cloud) -> None:
    machine = cloud.running()
    cloud.ec2.terminate_instances(InstanceIds=[machine])
    cloud.advance(5)

    assert cloud.ec2.describe_volumes()["Volumes"] == []
    assert cloud.ec2.describe_network_interfaces()["NetworkInterfaces"] == []
    assert all(line["to"] for line in cloud.get("bill")["lines"])


@pytest.mark.parametrize(("said", "left"), [({}, 0), ({"DeleteOnTermination": False}, 1)])
def test_a_root_disk_goes_with_its_machine_unless_told_not_to(
    cloud: Cloud, said: dict[str, bool], left: int
) -> None:
    disk = {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 60, "VolumeType": "gp3", **said}}
    machine = cloud.running(BlockDeviceMappings=[disk])
    cloud.ec2.terminate_instances(InstanceIds=[machine])
    cloud.advance(5)

    assert len(cloud.ec2.describe_volumes()["Volumes"]) == left


def test_a_volume_that_is_not_there_is_told_so(cloud: Cloud) -> None:
    with refused("InvalidVolume.NotFound"):
        cloud.ec2.delete_volume(VolumeId="vol-0123456789abcdef0")


def test_a_volume_needs_a_zone_that_exists(cloud: Cloud) -> None:
    with refused("InvalidZone.NotFound"):
        cloud.volume("us-east-1z")


def test_a_dry_run_deletes_nothing(cloud: Cloud) -> None:
    volume = cloud.volume()

    with refused("DryRunOperation", 412):
        cloud.ec2.delete_volume(VolumeId=volume, DryRun=True)
    assert _look(cloud, volume) == ("available", [])

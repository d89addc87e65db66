"""What EC2's answers mean in our words."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from gpuspawner.model import Disk, DiskKind, Fragment, Home, Machine, Placement, Power
from gpuspawner.providers import aws_world
from gpuspawner.providers.aws_offers import Gpus, family, gpus_of, quota_of

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=timezone.utc)
MADE = NOW - timedelta(hours=3)
STARTED = NOW - timedelta(hours=1)


def tagged(**tags):
    return [{"Key": f"gpuspawner:{key}", "Value": value} for key, value in tags.items()]


def instance(state="running", **changes):
    return {
        "InstanceId": "i-1",
        "ImageId": "ami-1",
        "InstanceType": "g4dn.xlarge",
        "LaunchTime": STARTED,
        "Placement": {"AvailabilityZone": "us-east-1a"},
        "State": {"Name": state, "Code": 16},
        "PrivateIpAddress": "10.0.0.4",
        "NetworkInterfaces": [{"Attachment": {"AttachTime": MADE}}],
        "BlockDeviceMappings": [{"Ebs": {"AttachTime": MADE + timedelta(seconds=1)}}],
        "Tags": tagged(hub="0badcafe", claim="gs-x", intent="intent-1", owner="7", role="machine"),
        **changes,
    }


def volume(state="in-use", role="home", **changes):
    return {
        "VolumeId": "vol-0abc",
        "AvailabilityZone": "us-east-1a",
        "Size": 20,
        "VolumeType": "gp3",
        "State": state,
        "CreateTime": MADE,
        "Attachments": [{"InstanceId": "i-1", "State": "attached"}] if state == "in-use" else [],
        "Tags": tagged(hub="0badcafe", claim="gs-x", owner="7", role=role),
        **changes,
    }


def listed(instances=(), volumes=()):
    return aws_world.world(instances, volumes, "us-east-1", NOW)


def test_an_instance_is_a_machine():
    assert listed([instance()]).machines == (
        Machine(
            id="i-1",
            power=Power.RUNNING,
            placement=Placement("us-east-1", "us-east-1a", "g4dn.xlarge"),
            image="ami-1",
            created_at=MADE,
            claim="gs-x",
            intent="intent-1",
            owner_id="7",
            address="10.0.0.4",
            powered_at=STARTED,
        ),
    )


def test_an_instance_with_nothing_but_what_ec2_always_gives_is_a_machine_too():
    bare = instance()
    for key in ("PrivateIpAddress", "NetworkInterfaces", "BlockDeviceMappings", "Tags"):
        del bare[key]
    (machine,) = listed([bare]).machines
    assert (machine.claim, machine.address, machine.created_at) == (None, None, STARTED)


@pytest.mark.parametrize(
    ("state", "power"),
    [
        ("pending", Power.PENDING),
        ("running", Power.RUNNING),
        ("stopping", Power.STOPPING),
        ("stopped", Power.STOPPED),
        ("shutting-down", Power.DELETING),
    ],
)
def test_each_state_is_a_power(state, power):
    assert [machine.power for machine in listed([instance(state)]).machines] == [power]


def test_a_terminated_instance_is_gone_and_no_machine():
    world = listed([instance("terminated"), instance(InstanceId="i-2")])
    assert (world.gone, [m.id for m in world.machines]) == ({"i-1"}, ["i-2"])


def test_what_is_listed_twice_is_there_once_as_it_was_seen_last():
    world = listed(
        [instance("pending"), instance("running", InstanceId="i-2"), instance("running")],
        [volume(), volume("available")],
    )
    powers = [(machine.id, machine.power) for machine in world.machines]
    assert powers == [("i-1", Power.RUNNING), ("i-2", Power.RUNNING)]
    assert [(home.id, home.machine_id) for home in world.homes] == [("vol-0abc", None)]


def test_why_a_machine_went_off_is_told_in_ec2s_words():
    reason = {"Code": "Client.InstanceInitiatedShutdown", "Message": "…"}
    (machine,) = listed([instance("stopped", StateReason=reason)]).machines
    assert machine.because == "Client.InstanceInitiatedShutdown"


STOPPED_AT = datetime(2026, 3, 2, 8, 30, 5, tzinfo=timezone.utc)
BY_US = "User initiated (2026-03-02 08:30:05 GMT)"


@pytest.mark.parametrize("words", [BY_US, "Server.ScheduledStop (2026-03-02 08:30:05 UTC)"])
@pytest.mark.parametrize("state", ["stopping", "stopped", "shutting-down"])
def test_when_a_machine_went_off_is_what_ec2_says(state, words):
    (machine,) = listed([instance(state, StateTransitionReason=words)]).machines
    assert machine.stopped_at == STOPPED_AT


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("stopped", ""),
        ("stopped", "Client.InstanceInitiatedShutdown"),
        ("running", ""),
        ("running", BY_US),
        ("pending", BY_US),
    ],
)
def test_what_ec2_does_not_say_or_what_is_over_is_no_time(state, words):
    (machine,) = listed([instance(state, StateTransitionReason=words)]).machines
    assert machine.stopped_at is None


def test_when_a_machine_that_is_gone_ended_is_what_ec2_says():
    world = listed(
        [
            instance("terminated", StateTransitionReason=BY_US),
            instance("terminated", InstanceId="i-2", StateTransitionReason=""),
            instance(InstanceId="i-3"),
        ]
    )
    ended = [(one.id, one.power, one.powered_at, one.stopped_at) for one in world.ended]
    assert world.gone == {"i-1", "i-2"}
    assert ended == [
        ("i-1", Power.DELETING, STARTED, STOPPED_AT),
        ("i-2", Power.DELETING, STARTED, None),
    ]


@pytest.mark.parametrize("address", ["203.0.113.7", None, ""])
def test_a_public_address_is_listed_when_there_is_one(address):
    (machine,) = listed([instance(PublicIpAddress=address)]).machines
    assert machine.public_address == (address or None)


def test_every_volume_is_a_disk():
    world = listed(
        [instance()],
        [volume(), volume(role="os-disk", VolumeId="vol-2", Size=60, VolumeType="gp2")],
    )
    ours = {"claim": "gs-x", "owner_id": "7", "machine_id": "i-1"}
    assert world.disks == (
        Disk("vol-0abc", DiskKind.HOME, "gp3", "us-east-1", 20, MADE, **ours),
        Disk("vol-2", DiskKind.OS, "gp2", "us-east-1", 60, MADE, **ours),
    )


@pytest.mark.parametrize("state", ["deleting", "deleted"])
def test_a_volume_on_its_way_out_is_no_disk(state):
    assert listed(volumes=[volume(state), volume(state, "os-disk", VolumeId="vol-2")]).disks == ()


def test_a_volume_is_a_home():
    assert listed(volumes=[volume()]).homes == (
        Home(
            id="vol-0abc",
            region="us-east-1",
            zone="us-east-1a",
            size_gib=20,
            created_at=MADE,
            claim="gs-x",
            owner_id="7",
            machine_id="i-1",
            device="/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0abc",
            ready=True,
        ),
    )


@pytest.mark.parametrize(
    ("state", "ready"), [("creating", False), ("available", True), ("error", False)]
)
def test_a_home_is_ready_when_it_can_be_attached(state, ready):
    (home,) = listed(volumes=[volume(state)]).homes
    assert (home.ready, home.machine_id) == (ready, None)


@pytest.mark.parametrize(
    ("state", "holder"), [("attaching", "i-1"), ("detaching", "i-1"), ("detached", None)]
)
def test_a_home_is_held_until_the_machine_has_let_go(state, holder):
    attachments = [{"InstanceId": "i-1", "State": state}]
    (home,) = listed(volumes=[volume(Attachments=attachments)]).homes
    assert home.machine_id == holder


def test_a_home_on_its_way_out_is_not_listed():
    assert listed(volumes=[volume("deleting")]).homes == ()


def test_a_machines_own_disk_is_neither_home_nor_fragment_while_it_has_its_machine():
    world = listed([instance()], [volume(role="os-disk")])
    assert (world.homes, world.fragments) == ((), ())


def test_a_machines_own_disk_left_without_it_is_a_fragment():
    world = listed(volumes=[volume("available", "os-disk")])
    assert world.fragments == (Fragment("vol-0abc", "disk", MADE, "gs-x"),)
    assert world.homes == ()


def test_a_disk_that_was_just_made_is_not_taken_for_a_leftover():
    young = volume("available", "os-disk", CreateTime=NOW - timedelta(seconds=299))
    old = volume("available", "os-disk", CreateTime=NOW - timedelta(seconds=300))
    assert (len(listed(volumes=[young]).fragments), len(listed(volumes=[old]).fragments)) == (0, 1)


def test_a_volume_of_an_unknown_role_is_kept_like_a_home_and_never_a_fragment():
    world = listed(volumes=[volume("available", "who-knows")])
    assert ([home.id for home in world.homes], world.fragments) == (["vol-0abc"], ())


def test_a_whole_gpu_is_counted():
    gpu = {"Name": "T4", "Count": 1, "MemoryInfo": {"SizeInMiB": 16384}}
    info = {"Gpus": [gpu], "TotalGpuMemoryInMiB": 16384}
    assert gpus_of({"GpuInfo": info}) == Gpus("T4", 1, 16384)


def test_a_part_of_a_gpu_counts_as_one_although_its_count_is_nought():
    gpu = {"Name": "L4", "Count": 0, "LogicalGpuCount": 1, "MemoryInfo": {"SizeInMiB": 2861}}
    assert gpus_of({"GpuInfo": {"Gpus": [gpu]}}) == Gpus("L4", 1, 2861)


def test_a_size_without_gpus_has_none():
    assert gpus_of({}) == Gpus("", 0, 0)


@pytest.mark.parametrize(
    ("size", "letters", "code"),
    [
        ("g4dn.xlarge", "g", "L-DB2E81BA"),
        ("g6f.large", "g", "L-DB2E81BA"),
        ("vt1.3xlarge", "vt", "L-DB2E81BA"),
        ("p5.4xlarge", "p", "L-417A185B"),
        ("t3.micro", "t", "L-1216C47A"),
    ],
)
def test_a_size_counts_against_the_quota_of_its_family(size, letters, code):
    assert (family(size), quota_of(size)[0]) == (letters, code)

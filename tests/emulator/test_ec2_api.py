"""The doors below `/_emulator/`, and the command that opens them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulator.ec2_worlds import Cloud

pytestmark = pytest.mark.emulator


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud() as cloud:
        yield cloud


def test_machines_are_listed_with_their_tags_and_homes(cloud: Cloud) -> None:
    tags = [{"Key": "Name", "Value": "alice"}]
    machine = cloud.running(TagSpecifications=[{"ResourceType": "instance", "Tags": tags}])
    home = cloud.volume()
    cloud.ec2.attach_volume(VolumeId=home, InstanceId=machine, Device="/dev/sdf")

    assert cloud.get("machines") == {
        "machines": [
            {
                "id": machine,
                "state": "running",
                "type": "g4dn.xlarge",
                "zone": "us-east-1a",
                "address": "127.20.0.1",
                "tags": {"Name": "alice"},
                "volumes": [home],
                "created": "2027-01-15T08:00:00.000Z",
                "since": "2027-01-15T08:00:08.000Z",
            }
        ]
    }


def test_the_seed_tells_what_machines_there_are_and_what_they_cost(cloud: Cloud) -> None:
    seed = cloud.get("seed")

    assert {"type": "g4dn.xlarge", "gpu": "T4", "vcpus": 4, "price_per_hour": 0.526} in seed[
        "sizes"
    ]
    assert "t3.micro" not in [size["type"] for size in seed["sizes"]]
    assert seed["separation"] == "No machine is booted: machines are only entries in a list."


def test_the_clock_goes_on_by_what_it_is_told(cloud: Cloud) -> None:
    answer = cloud.post("clock", {"advance": 3600.5})

    assert answer == (200, {"now": "2027-01-15T09:00:00.500Z"})


@pytest.mark.parametrize("body", [None, {}, {"advance": -1}, {"advance": "1"}, {"advance": True}])
def test_the_clock_does_not_go_back_or_guess(cloud: Cloud, body: object) -> None:
    assert cloud.post("clock", body) == (
        400,
        {"error": 'The body is {"advance": seconds}, of 0 or more.'},
    )


def test_calls_are_counted_until_they_are_forgotten(cloud: Cloud) -> None:
    cloud.run()
    cloud.describe()
    cloud.describe()
    before = cloud.get("calls")
    cloud.delete("calls")

    assert before["calls"] == {"RunInstances": 1, "DescribeInstances": 2}
    assert cloud.get("calls") == {"calls": {}, "total": 0, "throttled": {}}


def test_a_door_that_is_not_there_names_those_that_are(cloud: Cloud) -> None:
    assert cloud.get("nothing") == {
        "error": "There is only seed, machines, events, bill, prices, calls, faults, clock here."
    }
    assert cloud.delete("bill") == {"error": "Use GET here."}


def test_the_events_are_asked_for_by_number(cloud: Cloud) -> None:
    assert cloud.get("events?since=yesterday") == {
        "error": "The query's since is the number of the last event you have."
    }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_it_is_told_to_end(tmp_path: Path, number: signal.Signals) -> None:
    program = "import sys; from gpuspawner.emulator.command import main; sys.exit(main())"
    command = ["ec2", "--port", "0", "--machines", "none", "--state", str(tmp_path)]
    with subprocess.Popen(
        [sys.executable, "-c", program, *command], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        started = json.loads(process.stdout.readline())
        with urllib.request.urlopen(started["url"] + "/_emulator/seed", timeout=10) as answer:
            seed = json.load(answer)
        process.send_signal(number)

    assert process.returncode == 0
    assert {**seed, **started["seed"]} == seed

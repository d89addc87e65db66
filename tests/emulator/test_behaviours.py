"""Which stub machine misbehaves, and what somebody may do to a machine behind everybody's back."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.emulator.ec2_worlds import Cloud, RecordingHost

pytestmark = pytest.mark.emulator


class StubbornHost(RecordingHost):
    """Also keeps how machines were told to behave."""

    def behave(self, machine_id: str, behaviour: str) -> None:
        self._tell("behave", machine_id, behaviour)

    def behaved(self) -> list[tuple[str, str]]:
        return [(told[1], told[2]) for told in self.told if told[0] == "behave"]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(make_host=StubbornHost) as cloud:
        yield cloud


@pytest.fixture
def host(cloud: Cloud) -> StubbornHost:
    host = cloud.emulator.world.host
    assert isinstance(host, StubbornHost)
    return host


def _claimed(claim: str) -> dict[str, Any]:
    tags = [{"Key": "gpuspawner:claim", "Value": claim}]
    return {"TagSpecifications": [{"ResourceType": "instance", "Tags": tags}]}


def test_machines_behave_well_unless_told_otherwise(cloud: Cloud, host: StubbornHost) -> None:
    machine = cloud.running()

    assert host.behaved() == [(machine, "well")]


def test_a_machine_is_told_before_it_boots(cloud: Cloud, host: StubbornHost) -> None:
    cloud.fault(kind="machines", behaviour="mute")
    machine = cloud.running()
    host.hears("boot", machine)

    assert [told[:2] for told in host.told] == [("behave", machine), ("boot", machine)]


def test_only_so_many_machines_misbehave_as_were_asked_for(
    cloud: Cloud, host: StubbornHost
) -> None:
    cloud.fault(kind="machines", behaviour="fails", count=1)
    first, second = cloud.running(), cloud.running()

    assert host.behaved() == [(first, "fails"), (second, "well")]
    assert cloud.get("faults")["settings"]["machines"] == [
        {"behaviour": "fails", "tag": "*", "id": "*", "count": 1, "hits": 1}
    ]


def test_only_the_machines_of_a_claim_misbehave(cloud: Cloud, host: StubbornHost) -> None:
    cloud.fault(kind="machines", behaviour="unready", tag="gs-alice-*")
    alice, bob = cloud.running(**_claimed("gs-alice-1")), cloud.running(**_claimed("gs-bob-1"))
    nobody = cloud.running()

    assert host.behaved() == [(alice, "unready"), (bob, "well"), (nobody, "well")]


def test_the_rule_posted_last_goes_first(cloud: Cloud, host: StubbornHost) -> None:
    cloud.fault(kind="machines", behaviour="mute")
    cloud.fault(kind="machines", behaviour="fails", count=1)
    first, second = cloud.running(), cloud.running()

    assert host.behaved() == [(first, "fails"), (second, "mute")]


def test_a_machine_gets_its_behaviour_at_every_boot_anew(cloud: Cloud, host: StubbornHost) -> None:
    cloud.fault(kind="machines", behaviour="mute", count=1)
    machine = cloud.stopped()
    host.hears("power_off", machine)
    cloud.ec2.start_instances(InstanceIds=[machine])
    cloud.advance(8)

    assert host.behaved() == [(machine, "mute"), (machine, "well")]


@pytest.mark.parametrize("behaviour", ["partitioned", "dies", "well"])
def test_what_can_come_over_a_running_machine_does(
    cloud: Cloud, host: StubbornHost, behaviour: str
) -> None:
    machine, other = cloud.running(), cloud.running()
    stopped = cloud.stopped()
    cloud.fault(kind="machines", behaviour=behaviour, id=machine)

    assert host.behaved()[3:] == [(machine, behaviour)]
    assert {machine, other, stopped} == {one for one, _ in host.behaved()[:3]}


@pytest.mark.parametrize("behaviour", ["mute", "fails", "unready"])
def test_what_belongs_to_a_boot_does_not_come_over_a_running_machine(
    cloud: Cloud, host: StubbornHost, behaviour: str
) -> None:
    machine = cloud.running()
    cloud.fault(kind="machines", behaviour=behaviour)

    assert host.behaved() == [(machine, "well")]


def test_deleting_the_faults_heals_what_runs_and_what_boots(
    cloud: Cloud, host: StubbornHost
) -> None:
    cloud.fault(kind="machines", behaviour="partitioned")
    first = cloud.running()
    cloud.delete("faults")
    second = cloud.running()

    assert host.behaved() == [(first, "partitioned"), (first, "well"), (second, "well")]


def test_a_behaviour_that_does_not_exist_is_refused(cloud: Cloud) -> None:
    assert cloud.post("faults", {"kind": "machines", "behaviour": "bad"}) == (
        400,
        {
            "error": "The 'behaviour' of a machines is one of well, mute, fails, dies, "
            "partitioned, unready, not 'bad'."
        },
    )


def test_machines_that_are_no_stubs_cannot_be_told_to_misbehave() -> None:
    with Cloud(make_host=RecordingHost) as cloud:
        assert cloud.post("faults", {"kind": "machines", "behaviour": "mute"}) == (
            400,
            {"error": "Only stub machines can misbehave: run this with --machines stub."},
        )


@pytest.mark.parametrize(
    ("action", "state", "why"),
    [
        ("off", "stopping", "Client.InstanceInitiatedShutdown"),
        ("stop", "stopping", "Client.UserInitiatedShutdown"),
        ("terminate", "shutting-down", "Client.UserInitiatedShutdown"),
        ("reboot", "running", ""),
    ],
)
def test_somebody_changes_a_running_machine(
    cloud: Cloud, host: StubbornHost, action: str, state: str, why: str
) -> None:
    machine = cloud.running()
    status, said = cloud.post(f"machines/{machine}/power", {"action": action})

    reason = cloud.describe(machine)[0].get("StateReason", {}).get("Code", "")
    assert (status, said["id"], said["state"], reason) == (200, machine, state, why)
    assert host.hears("reboot" if action == "reboot" else "power_off", machine)


def test_somebody_starts_a_stopped_machine(cloud: Cloud, host: StubbornHost) -> None:
    machine = cloud.stopped()
    host.hears("power_off", machine)
    cloud.delete("calls")
    status, said = cloud.post(f"machines/{machine}/power", {"action": "start"})

    assert (status, said["state"], cloud.get("calls")["calls"]) == (200, "pending", {})


@pytest.mark.parametrize("action", ["off", "reboot"])
def test_a_stopped_machine_cannot_be_changed_from_inside(cloud: Cloud, action: str) -> None:
    machine = cloud.stopped()

    assert cloud.post(f"machines/{machine}/power", {"action": action})[0] == 409


def test_a_start_behind_our_back_needs_capacity_too(cloud: Cloud) -> None:
    machine = cloud.stopped()
    cloud.fault(kind="capacity", limit=0)
    status, said = cloud.post(f"machines/{machine}/power", {"action": "start"})

    assert (status, said["error"].partition(":")[0]) == (409, "InsufficientInstanceCapacity")


def test_an_unknown_machine_or_action_is_refused_in_a_sentence(cloud: Cloud) -> None:
    machine = cloud.running()

    assert [
        cloud.post("machines/i-0/power", {"action": "off"}),
        cloud.post(f"machines/{machine}/power", {"action": "explode"}),
        cloud.post(f"machines/{machine}/power", ["off"]),
    ] == [
        (404, {"error": "There is no machine i-0."}),
        *2
        * [(400, {"error": 'The body is {"action": one of off, start, stop, reboot, terminate}.'})],
    ]


def test_the_command_plays_stub_machines_and_takes_them_along(tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-m", "gpuspawner.cli", "emulator", "ec2", "--port", "0"),
        *("--machines", "stub", "--state", str(tmp_path)),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        [child] = _children(process.pid)
        rule = Request(
            f"{said['url']}/_emulator/faults",
            data=json.dumps({"kind": "machines", "behaviour": "mute"}).encode(),
        )
        with urlopen(rule, timeout=10) as answer:
            status = answer.status
        waiting = os.pidfd_open(child)
        process.send_signal(signal.SIGKILL)
        process.wait()
    # A parent that was killed could not say goodbye: the child sees its input end.
    ended = select.select([waiting], [], [], 60)[0]
    os.close(waiting)
    assert (status, ended) == (201, [waiting])


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]

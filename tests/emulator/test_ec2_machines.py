"""What plays the machines is told what happens to them, in order, and is heard when they go off."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from gpuspawner.emulator.jobs import Jobs
from tests.emulator.ec2_worlds import Cloud, RecordingHost

pytestmark = pytest.mark.emulator


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(make_host=RecordingHost) as cloud:
        yield cloud


@pytest.fixture
def host(cloud: Cloud) -> RecordingHost:
    host = cloud.emulator.world.host
    assert isinstance(host, RecordingHost)
    return host


def _eventually(true: Callable[[], bool]) -> None:
    """Wait in real time for a thread of the emulator's to have done its part."""
    pause = threading.Event()
    for _ in range(500):
        if true():
            return
        pause.wait(0.01)
    raise AssertionError("it never came true")


def test_a_machine_is_booted_when_it_runs_with_all_that_it_needs(
    cloud: Cloud, host: RecordingHost
) -> None:
    machine = cloud.running(UserData="#cloud-config\n{}")

    assert host.hears("boot") == ("boot", machine, "127.20.0.1", b"#cloud-config\n{}", ())


def test_a_machine_is_not_booted_while_it_is_pending(cloud: Cloud, host: RecordingHost) -> None:
    cloud.run()
    cloud.advance(7)

    assert host.told == []


def test_a_stopped_machine_boots_again_with_its_home(cloud: Cloud, host: RecordingHost) -> None:
    machine, volume = cloud.running(), cloud.volume()
    cloud.ec2.attach_volume(VolumeId=volume, InstanceId=machine, Device="/dev/sdf")
    host.hears("attach", machine, volume)
    cloud.ec2.stop_instances(InstanceIds=[machine])
    host.hears("power_off", machine)
    cloud.advance(5)
    _eventually(lambda: cloud.state(machine) == "stopped")
    cloud.ec2.start_instances(InstanceIds=[machine])
    cloud.advance(8)

    assert host.hears("boot", machine, "127.20.0.1", b"", (volume,))


def test_a_machine_is_not_stopped_before_it_is_off(cloud: Cloud, host: RecordingHost) -> None:
    machine = cloud.running()
    host.hears("boot", machine)
    host.gate.clear()
    cloud.ec2.stop_instances(InstanceIds=[machine])
    host.hears("power_off", machine)
    cloud.advance(3600)
    before = cloud.state(machine)
    host.gate.set()

    _eventually(lambda: cloud.state(machine) == "stopped")
    assert before == "stopping"


def test_a_slow_power_off_holds_no_other_call_back(cloud: Cloud, host: RecordingHost) -> None:
    machine = cloud.running()
    host.gate.clear()
    cloud.ec2.stop_instances(InstanceIds=[machine])
    host.hears("power_off", machine)

    assert cloud.state(cloud.running()) == "running"


def test_a_volume_is_not_available_before_the_machine_has_let_go(
    cloud: Cloud, host: RecordingHost
) -> None:
    machine, volume = cloud.running(), cloud.volume()
    cloud.ec2.attach_volume(VolumeId=volume, InstanceId=machine, Device="/dev/sdf")
    host.gate.clear()
    cloud.ec2.detach_volume(VolumeId=volume)
    host.hears("detach", machine, volume)

    def look() -> str:
        return str(cloud.ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["State"])

    before = look()
    host.gate.set()
    _eventually(lambda: look() == "available")
    assert before == "in-use"


def test_a_machine_that_is_shut_down_from_inside_is_stopped_and_billed_no_more(
    cloud: Cloud, host: RecordingHost
) -> None:
    machine = cloud.running()
    cloud.advance(600)
    host.on_power(machine, "poweroff")
    cloud.advance(3600)
    _eventually(lambda: cloud.state(machine) == "stopped")

    reason = cloud.describe(machine)[0]["StateReason"]

    assert reason == {
        "Code": "Client.InstanceInitiatedShutdown",
        "Message": "Client.InstanceInitiatedShutdown: Instance initiated shutdown",
    }
    assert cloud.lines("machine") == [("g4dn.xlarge", 600, 87_666)]


def test_a_machine_that_is_set_up_so_is_terminated_when_it_is_shut_down(
    cloud: Cloud, host: RecordingHost
) -> None:
    machine = cloud.running(InstanceInitiatedShutdownBehavior="terminate")
    host.on_power(machine, "poweroff")
    host.hears("destroy", machine)
    cloud.advance(5)

    _eventually(lambda: cloud.state(machine) == "terminated")


def test_ec2_does_not_know_of_a_crash(cloud: Cloud, host: RecordingHost) -> None:
    machine = cloud.running()
    host.on_power(machine, "crashed")

    assert cloud.state(machine) == "running"
    assert cloud.get("events")["events"][-1]["event"] == "crashed"


def test_a_terminated_machine_is_destroyed(cloud: Cloud, host: RecordingHost) -> None:
    machine = cloud.running()
    cloud.ec2.terminate_instances(InstanceIds=[machine])
    host.hears("destroy", machine)

    assert [told[0] for told in host.told] == ["boot", "power_off", "destroy"]


def test_a_reboot_is_passed_on_and_ends_no_bill(cloud: Cloud, host: RecordingHost) -> None:
    machine = cloud.running()
    cloud.ec2.reboot_instances(InstanceIds=[machine])
    host.hears("reboot", machine)
    cloud.advance(92)

    assert cloud.lines("machine") == [("g4dn.xlarge", 92, 13_442)]


def test_the_console_is_what_the_machine_has_written(cloud: Cloud) -> None:
    machine = cloud.running()

    assert cloud.ec2.get_console_output(InstanceId=machine)["Output"] == f"booting {machine}"


def test_what_the_host_cannot_do_is_an_event(cloud: Cloud, host: RecordingHost) -> None:
    def fail(machine: str) -> None:
        raise OSError(f"no reboot of {machine}")

    machine = cloud.running()
    host.reboot = fail  # type: ignore[method-assign]
    cloud.ec2.reboot_instances(InstanceIds=[machine])

    _eventually(lambda: bool(cloud.get("events?since=3")["events"]))
    event = cloud.get("events?since=3")["events"][0]
    assert (event["event"], event["detail"]) == ("host-error", f"OSError('no reboot of {machine}')")


def test_no_machine_boots_behind_the_back_of_an_emulator_that_ends(
    cloud: Cloud, host: RecordingHost
) -> None:
    machine = cloud.running()
    host.gate.clear()
    cloud.ec2.stop_instances(InstanceIds=[machine])
    host.hears("power_off", machine)
    cloud.emulator.world.lifecycle.terminate(cloud.emulator.world.lifecycle.records[machine])
    cloud.emulator.close()

    assert "destroy" not in [told[0] for told in host.told]


def test_work_that_comes_after_the_end_is_not_begun() -> None:
    jobs, done = Jobs(), []
    jobs.close()
    jobs.submit("i-1", lambda: done.append("work"), lambda _: done.append("done"))
    jobs.wait(10)

    assert done == []


def test_every_machine_ends_with_the_emulator(cloud: Cloud, host: RecordingHost) -> None:
    cloud.running()
    cloud.emulator.close()

    assert host.told[-1] == ("close",)

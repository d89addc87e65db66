"""One thread asks; everybody else reads what it found, and is told when it hangs."""

from __future__ import annotations

import threading

import pytest

from labs_extension.gpu.records import Device, Snapshot, Status
from labs_extension.gpu.sampler import HANGS, Point, Sampler
from tests.labs_extension.hand_clock import HandClock


class Script:
    """A reader that answers what it is told to."""

    def __init__(self) -> None:
        self.devices: tuple[Device, ...] = (Device(0, "GPU-1", utilization=0.5),)
        self.reading = threading.Event()
        self.free = threading.Event()
        self.free.set()
        self.closed = threading.Event()
        self.fails: Exception | None = None

    def read(self, at: float) -> Snapshot:
        self.reading.set()
        self.free.wait(20)
        if self.fails:
            raise self.fails
        return Snapshot(Status.OK, at, devices=self.devices)

    def close(self) -> None:
        self.closed.set()


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def script():
    return Script()


@pytest.fixture
def sampler(clock, script):
    return Sampler(lambda: script, clock, every=5, keep=15, patience=10)


def test_before_the_first_sample_it_does_not_claim_to_know(sampler):
    assert (sampler.snapshot().status, sampler.snapshot().detail) == (Status.ERROR, "no sample yet")


def test_a_sample_is_kept_and_read_without_asking_again(sampler, script, clock):
    sampler.sample(script)
    script.reading.clear()
    assert sampler.snapshot() == Snapshot(Status.OK, clock.at, devices=script.devices)
    assert not script.reading.is_set()


def test_the_history_keeps_the_last_points_of_each_device(sampler, script, clock):
    begun = clock.at
    for number in range(5):
        script.devices = (Device(0, "GPU-1", utilization=number / 10, power_watts=None),)
        sampler.sample(script)
        clock.at += 5
    assert sampler.history() == {
        "GPU-1": [Point(begun + 5 * n, n / 10, None, None, None) for n in (2, 3, 4)]
    }


def test_a_sample_that_hangs_is_an_error_after_the_patience_and_not_before(sampler, script, clock):
    sampler.sample(script)
    known = sampler.snapshot()
    script.reading.clear()
    script.free.clear()
    thread = threading.Thread(target=sampler.sample, args=(script,))
    thread.start()
    assert script.reading.wait(20)
    clock.at += 9
    assert sampler.snapshot() == known
    clock.at += 2
    hung = sampler.snapshot()
    assert (hung.status, hung.detail, hung.devices) == (Status.ERROR, HANGS, known.devices)
    script.free.set()
    thread.join(20)
    assert sampler.snapshot().status is Status.OK


def test_an_error_that_nobody_foresaw_does_not_end_the_sampling(sampler, script):
    script.fails = ZeroDivisionError("in the driver")
    sampler.sample(script)
    assert sampler.snapshot().detail == "ZeroDivisionError: in the driver"
    script.fails = None
    sampler.sample(script)
    assert sampler.snapshot().status is Status.OK


def test_its_thread_begins_at_once_and_ends_when_it_is_stopped(sampler, script):
    sampler.start()
    assert sampler.wait_for_first(20)
    sampler.stop()
    assert script.closed.wait(20)


def test_a_thread_that_hangs_does_not_hold_up_the_end(sampler, script):
    script.free.clear()
    sampler.start()
    assert script.reading.wait(20)
    sampler.stop()
    assert not script.closed.is_set()
    script.free.set()
    assert script.closed.wait(20)

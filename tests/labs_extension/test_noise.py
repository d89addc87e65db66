"""Other programs on the processors make a figure of the CPU a doubtful one, and ours do not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from labs_extension.benchmark import noise, verdicts, worker
from labs_extension.benchmark.noise import Others, used_by_others
from labs_extension.benchmark.sentences import sentence
from tests.labs_extension.hand_clock import HandClock


def others(clock: HandClock, *used: float | None) -> Others:
    """Two processors, of which others have used so much when they are asked, one after the other."""
    answers = iter(used)
    return Others(clock, lambda: next(answers), processors=2)


@pytest.mark.parametrize(
    ("used", "disturbed"), [(0.0, False), (1.9, False), (2.1, True), (20, True)]
)
def test_a_tenth_of_all_processors_is_too_much(used, disturbed):
    clock = HandClock()
    seen = others(clock, 100.0, 100.0 + used)
    clock.at += 10
    assert seen.disturbed() is disturbed


@pytest.mark.parametrize("used", [(None, None), (1.0, None), (None, 1.0)])
def test_where_linux_does_not_say_nothing_is_said(used):
    clock = HandClock()
    seen = others(clock, *used)
    clock.at += 10
    assert seen.disturbed() is None


def test_in_no_time_nothing_is_known():
    assert others(HandClock(), 1.0, 9.0).disturbed() is None


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="there is no Linux here")
def test_the_work_of_another_process_is_seen():
    before = used_by_others()
    subprocess.run([sys.executable, "-c", "sum(range(20_000_000))"], check=True)
    assert used_by_others() - before > 0.1


def test_what_cannot_be_read_is_not_known(monkeypatch):
    monkeypatch.setattr(noise, "Path", lambda _path: Path("/nowhere"))
    assert used_by_others() is None


def test_it_is_said_of_a_figure_that_it_was_disturbed():
    row = {"id": "training", "device": "cpu", "status": "ok", "value": 200.0, "unit": "images/s"}
    plain, told = sentence(row), sentence(row | {"noisy": True})
    assert told["en"] == f"{plain['en']} (disturbed by other programs)"
    assert "다른 프로그램" in told["ko"]


def test_a_ratio_is_as_doubtful_as_what_it_comes_from():
    gpu = {"id": "training", "device": "gpu", "status": "ok", "value": 8.0}
    cpu = gpu | {"device": "cpu", "value": 2.0}
    wanted = {"id": "training_ratio", "device": "gpu", "status": "ok", "value": 4.0, "unit": "x"}
    assert verdicts.ratios([gpu, cpu]) == [wanted]
    assert verdicts.ratios([gpu, cpu | {"noisy": True}]) == [wanted | {"noisy": True}]
    assert verdicts.ratios([gpu | {"noisy": True}, cpu]) == [wanted | {"noisy": True}]


class _Pretended:
    """In the place of the framework, its trainings and its items: each figure is 1."""

    def __init__(self, *_parts):
        pass

    def gpus(self):
        return ["one"]

    def versions(self):
        return {}

    def run(self, _name):
        return {"status": "ok", "value": 1.0, "unit": "GB/s"}


@pytest.mark.parametrize(("device", "said"), [("cpu", {"noisy"}), ("gpu", set())])
def test_a_worker_says_of_each_figure_of_the_cpu_whether_it_was_disturbed(
    monkeypatch, device, said
):
    for module, name in (("engine", "Engine"), ("learn", "School"), ("work", "Bench")):
        pretended = SimpleNamespace(**{name: _Pretended})
        monkeypatch.setitem(sys.modules, f"labs_extension.benchmark.{module}", pretended)
    monkeypatch.setattr(Others, "disturbed", lambda _self: True)
    (row,) = (
        event["row"]
        for event in worker.events(device, "smoke", ["memory_copy"], None)
        if event["event"] == "result"
    )
    known = {"id", "status", "value", "unit", "device"}
    assert {*row} - known == said

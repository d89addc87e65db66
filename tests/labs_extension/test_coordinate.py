"""The coordinator: workers that answer, fall silent, crash; a GPU, none, and one that nobody sees."""

from __future__ import annotations

import pytest

from labs_extension.benchmark.coordinate import Cancelled, Run
from labs_extension.benchmark.plan import ITEMS
from labs_extension.benchmark.processes import Silent
from labs_extension.benchmark.results import check
from labs_extension.gpu.records import Device, Process, Snapshot, Status
from tests.labs_extension.hand_clock import HandClock

T4 = Device(0, "GPU-1", "Tesla T4", compute_capability="7.5", memory_total_bytes=1, processes=())
VALUES = {"gpu": {"matmul_fp32": 6.9, "training": 900.0}, "cpu": {"training": 100.0}}


class Lab:
    """Starts pretended workers and remembers what they were told.

    Attributes:
        crash, silent: the items at which a worker dies, or says nothing more; each once.
    """

    def __init__(self, *, sees=True, crash=(), silent=(), cancel_at=None):
        self.sees = sees
        self.crash, self.silent = set(crash), set(silent)
        self.cancel_at = cancel_at
        self.started = []
        self.ended = 0

    def __call__(self, arguments, environment):
        device = arguments[arguments.index("--device") + 1]
        items = arguments[arguments.index("--items") + 1 :]
        self.started.append((device, list(items), dict(environment)))
        return _Worker(self, device, items)


class _Worker:
    def __init__(self, lab, device, items):
        self.lab, self.device, self.items = lab, device, items
        self.died = ""

    def events(self, patience):
        gpus = ["cuda:0"] if self.lab.sees and self.device == "gpu" else []
        yield {"event": "hello", "software": {"jax": "0.10"}, "gpus": gpus}
        for name in self.items:
            yield {"event": "begin", "id": name}
            if name == self.lab.cancel_at:
                raise Cancelled
            if name in self.lab.crash:
                self.lab.crash.remove(name)
                self.died = "SIGSEGV: "
                return
            if name in self.lab.silent:
                self.lab.silent.remove(name)
                raise Silent
            value = VALUES.get(self.device, {}).get(name, 1.0)
            row = {"id": name, "device": self.device, "status": "ok", "value": value}
            yield {"event": "result", "row": {**row, "unit": ITEMS[name].unit}}

    def end(self):
        self.lab.ended += 1
        return self.died


def _run(lab, *items, status=Status.OK, devices=(T4,)):
    told = []
    run = Run(
        id="1-a",
        items=items or list(ITEMS),
        scale="quick",
        backend="jax",
        clock=HandClock(),
        look=lambda: Snapshot(status, 0.0, devices=devices if status is Status.OK else ()),
        start=lab,
        tell=told.append,
    )
    result = check(run.run())
    assert told[-1] == {"event": "end", "result": result}
    return result


def _by_device(result):
    return {(row["id"], row["device"]): row for row in result["results"]}


def test_on_a_gpu_everything_is_measured_and_held_against_the_chip():
    lab = Lab()
    result = _run(lab)
    rows = _by_device(result)
    assert (result["status"], result["device"]["name"]) == ("ok", "Tesla T4")
    assert rows["matmul_fp32", "gpu"]["fraction_of_peak"] == pytest.approx(0.852, abs=0.001)
    assert rows["training_ratio", "gpu"]["value"] == 9.0
    assert rows["matmul_bf16", "gpu"] == {
        "id": "matmul_bf16",
        "device": "gpu",
        "status": "skipped",
        "reason": "no_hardware_support",
    }
    assert [device for device, _, _ in lab.started] == ["gpu", "cpu"]
    assert lab.started[1][2] == {
        "KERAS_BACKEND": "jax",
        "CUDA_VISIBLE_DEVICES": "-1",
        "JAX_PLATFORMS": "cpu",
    }


@pytest.mark.parametrize("status", [Status.NO_DEVICE, Status.NO_DRIVER])
def test_without_a_gpu_the_cpu_is_measured_and_there_is_no_ratio(status):
    lab = Lab()
    result = _run(lab, status=status)
    rows = _by_device(result)
    assert (result["status"], result["device"]) == ("no_device", None)
    assert rows["training", "cpu"]["value"] == 100.0
    assert rows["mnist_accuracy", "cpu"]["status"] == "ok"
    assert ("mnist_accuracy", "gpu") not in rows
    for name in ("training_ratio", "training", "host_to_device"):
        assert (rows[name, "gpu"]["status"], rows[name, "gpu"]["reason"]) == (
            "skipped",
            "no_device",
        )
        assert "value" not in rows[name, "gpu"]
    assert [device for device, _, _ in lab.started] == ["cpu"]


def test_a_gpu_that_the_framework_does_not_see_is_not_measured_and_it_is_said():
    result = _run(Lab(sees=False))
    rows = _by_device(result)
    assert (result["status"], result["device"]) == ("no_device", None)
    assert rows["training", "gpu"]["reason"] == "framework_cannot_see_gpu"
    assert rows["mnist_accuracy", "cpu"]["status"] == "ok"


def test_a_crash_costs_one_item_and_the_rest_goes_on_in_a_new_process():
    lab = Lab(crash={"memory_copy"})
    rows = _by_device(_run(lab, "matmul_fp32", "memory_copy", "training"))
    assert rows["memory_copy", "gpu"] == {
        "id": "memory_copy",
        "device": "gpu",
        "status": "failed",
        "reason": "crashed",
        "detail": "SIGSEGV: ",
        **{k: rows["memory_copy", "gpu"][k] for k in ("noisy", "throttled", "sm_clock_mhz", "temperature_celsius", "power_watts")},
    }  # fmt: skip
    assert rows["training", "gpu"]["status"] == "ok"
    assert [items for device, items, _ in lab.started if device == "gpu"] == [
        ["matmul_fp32", "memory_copy", "training"],
        ["training"],
    ]


def test_a_worker_that_falls_silent_is_ended_and_its_item_failed():
    lab = Lab(silent={"training"})
    result = _run(lab, "training", "cifar10_throughput")
    rows = _by_device(result)
    assert (result["status"], rows["training", "gpu"]["reason"]) == ("failed", "timeout")
    assert rows["cifar10_throughput", "gpu"]["status"] == "ok"
    assert lab.ended == len(lab.started)


def test_a_run_that_is_cancelled_keeps_what_it_has_and_ends_its_worker():
    lab = Lab(cancel_at="memory_copy")
    result = _run(lab, "matmul_fp32", "memory_copy", "training")
    assert (result["status"], [row["id"] for row in result["results"]]) == (
        "cancelled",
        ["matmul_fp32"],
    )
    assert lab.ended == len(lab.started) == 1


@pytest.mark.parametrize(("processes", "noisy"), [((), False), ((Process(1, "other", 5),), True)])
def test_somebody_elses_work_on_the_gpu_makes_a_figure_noisy(processes, noisy):
    device = Device(0, "GPU-1", "Tesla T4", compute_capability="7.5", processes=processes)
    rows = _by_device(_run(Lab(), "matmul_fp32", devices=(device,)))
    assert rows["matmul_fp32", "gpu"]["noisy"] is noisy
    assert "noisy" not in rows["matmul_fp32", "cpu"]

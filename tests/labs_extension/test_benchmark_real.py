"""The benchmark itself, with a real framework, in the smallest size; its figures mean nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from labs_extension.benchmark.cli import main
from labs_extension.benchmark.results import read
from tests.labs_extension.backends import UNDER_TEST

ROOT = Path(__file__).resolve().parents[2]
# No GPU, whatever the machine has: the same is tested everywhere.
HIDDEN = {
    "CUDA_VISIBLE_DEVICES": "-1",
    "JAX_PLATFORMS": "cpu",
    "PYTHONPATH": str(ROOT),
    # JAX spends most of its time on making fast what runs once here.
    "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
}

LEARNS = """
import sys
import numpy as np
from labs_extension.benchmark.engine import Engine
from labs_extension.benchmark.learn import School, _right
from labs_extension.benchmark.plan import SCALES
from labs_extension.clock import SystemClock
from labs_extension.data import load_digits
engine = Engine()
assert engine.backend == sys.argv[1] and engine.gpus() == []
school = School(engine, SCALES["smoke"], SystemClock(), None)
(x, y), (x_test, y_test) = load_digits()
x, y = x[:1408], y[:1408]  # a whole number of batches: it is compiled once
x, x_test = (school._images(one[..., None] * np.uint8(15)) for one in (x, x_test))
model = school._model(x.shape[1:], (8, 16), 8 * 22, seed=1)
before = _right(model, x_test, y_test)
school._fit(model, x, y, 64, 8)
print(before, _right(model, x_test, y_test))
"""

VERSIONS = """
import json
from labs_extension.benchmark.engine import Engine
engine = Engine()
engine.backend, engine._module = "tensorflow", type("TensorFlow", (), {"__version__": "2.21.0"})
print(json.dumps(engine.versions()))
"""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("backend", UNDER_TEST)
def test_it_measures_and_writes_a_result_on_a_machine_without_a_gpu(tmp_path, backend):
    to = tmp_path / "result.json"
    items = ["matmul_fp32", "memory_copy", "convolution", "training", "mnist_accuracy"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "labs_extension.benchmark", "--progress", "json"),
            *("--scale", "smoke", "--backend", backend, "--output", str(to)),
            *("--data", str(tmp_path), "--only", *items),
        ],
        env={**os.environ, **HIDDEN},
        capture_output=True,
        text=True,
        check=False,
    )
    result = read(to)
    rows = {(row["id"], row["device"]): row for row in result["results"]}
    assert (done.returncode, result["status"], result["errors"] != []) == (3, "no_device", True)
    for name in items[:4]:
        assert rows[name, "cpu"]["status"] == "ok", rows[name, "cpu"]
        assert rows[name, "cpu"]["value"] > 0
        assert rows[name, "gpu"]["reason"] == "no_device"
    assert rows["matmul_fp32", "cpu"]["relative_error"] < 1e-5
    assert rows["mnist_accuracy", "cpu"]["reason"] == "no_data"
    assert rows["training_ratio", "gpu"] == {
        "id": "training_ratio",
        "device": "gpu",
        "status": "skipped",
        "reason": "no_device",
    }
    assert {"keras", backend} <= {*result["software"]}
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["event"] == "end"
    assert {"event": "begin", "id": "training", "device": "cpu"} in events


@pytest.mark.timeout(300)
@pytest.mark.parametrize("backend", UNDER_TEST)
def test_the_net_that_it_trains_learns(backend):
    done = subprocess.run(
        [sys.executable, "-c", LEARNS, backend],
        env={**os.environ, **HIDDEN, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    before, after = map(float, done.stdout.split())
    assert before < 0.4
    assert after > 0.8


def test_a_framework_whose_package_has_another_name_is_named_with_its_version():
    """As `tensorflow-cpu`, beside which no package is called `tensorflow`."""
    done = subprocess.run(
        [sys.executable, "-c", VERSIONS],
        env={**os.environ, **HIDDEN, "KERAS_BACKEND": UNDER_TEST[0]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["tensorflow"] == "2.21.0"


def test_a_framework_that_is_not_there_is_said_with_what_to_do(monkeypatch, capsys):
    monkeypatch.setenv("KERAS_BACKEND", "mxnet")
    assert main(["--language", "ko"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "pip install torch keras" in said.err
    assert "필요합니다" in said.err


def test_it_lists_what_it_measures(capsys):
    assert main(["--list", "--language", "en"]) == 0
    assert "mnist_time_to_99     MNIST: time to 99 %" in capsys.readouterr().out.splitlines()

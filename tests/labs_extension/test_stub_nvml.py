"""The report on a library that is compiled, loaded and called as the driver's own is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

COMPILER = shutil.which("cc") or shutil.which("gcc")
SOURCE = Path(__file__).with_name("stub_nvml.c")
GIB = 1 << 30

pytestmark = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler here")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder that the loader looks into, with the library."""
    made = tmp_path_factory.mktemp("nvml")
    library = made / "libnvidia-ml.so.1"
    words = ["-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-o", str(library), str(SOURCE)]
    subprocess.run([str(COMPILER), *words], check=True)
    return made


STATES = ("ok", "mig", "no_driver", "mismatch")
ASK = """
import json, os, sys
from labs_extension.lesson.machine import gpu_report
found = {}
for state in sys.argv[1:]:
    os.environ["STUB_NVML"] = state
    found[state] = gpu_report()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def reports(folder) -> dict:
    """What a process with this library reports, in each state of the machine."""
    environment = {**os.environ, "LD_LIBRARY_PATH": str(folder)}
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    said = subprocess.run(
        [sys.executable, "-c", ASK, *STATES],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        cwd=SOURCE.parents[2],
    )
    return json.loads(said.stdout)


def values(device: dict) -> dict:
    """The fields that are known, but those of a process' name, which this machine decides."""
    return {key: value for key, value in device.items() if value not in (None, [], ())}


def test_a_t4_reports_all_that_it_has_and_null_for_the_rest(reports):
    said = reports["ok"]
    assert (said["status"], said["driver_version"]) == ("ok", "580.95.05")
    [t4] = said["devices"]
    known = values(t4)
    assert {key: known[key] for key in known if key not in {"unsupported", "processes"}} == {
        "index": 0,
        "uuid": "GPU-t4",
        "name": "Tesla T4",
        "utilization": 0.37,
        "memory_used_bytes": 3 * GIB,
        "memory_total_bytes": 15 * GIB,
        "power_watts": 40.5,
        "power_limit_watts": 70.0,
        "temperature_celsius": 51,
    }
    assert [(one["pid"], one["memory_bytes"]) for one in t4["processes"]] == [(4242, 2 * GIB)]


def test_a_gpu_in_slices_is_told_by_its_slices(reports):
    said = reports["mig"]
    shown = [
        (one["uuid"], one["mig_of"], one["utilization"], one["memory_used_bytes"])
        for one in said["devices"]
    ]
    assert said["status"] == "ok"
    assert shown == [
        ("GPU-a100", None, None, None),
        ("MIG-1", "GPU-a100", None, GIB),
        ("MIG-2", "GPU-a100", None, 2 * GIB),
    ]


@pytest.mark.parametrize(
    ("state", "status"),
    [("no_driver", {"no_driver", "no_device"}), ("mismatch", {"driver_mismatch"})],
)
def test_a_driver_that_does_not_run_is_named(reports, state, status):
    said = reports[state]
    assert said["status"] in status
    assert said["devices"] == []

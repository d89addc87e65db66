"""What a GPU does, as NVIDIA's own binding tells it of a library that is really loaded."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import driver

AGENT = """
import json
from gpuspawner.agent.clock import SystemClock
from gpuspawner.agent.gpus import Gpus, NVML_SECONDS
gpus = Gpus(SystemClock())
assert gpus.find() == NVML_SECONDS
gpus.sample()
print(json.dumps(gpus.facts()))
"""
SERVER = """
import json
from labs_extension.gpu.nvml import Nvml
seen = Nvml().read(0.0)
[one] = seen.devices
print(json.dumps([seen.status.value, seen.driver_version, seen.cuda_version, one.name,
    one.utilization, one.memory_used_bytes, one.power_watts, "power_watts" in one.unsupported]))
"""


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> driver.Driver:
    return driver.build(tmp_path_factory.mktemp("driver"))


def told(program: str, card: driver.Driver) -> Any:
    """What a program prints that finds the library."""
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "LD_LIBRARY_PATH": str(card.folder), "PYTHONPATH": root}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def test_the_agent_reads_how_busy_the_gpu_is_through_the_binding(card: driver.Driver) -> None:
    gpu = {"name": "Tesla T4", "memory_mib": 8192, "memory_total_mib": 16384}
    for percent in (0, 37):
        card.works(socket.gethostname(), percent)
        means = dict.fromkeys(("percent", "mean_5min", "max_5min"), float(percent))
        assert told(AGENT, card) == [{**gpu, **means}]


def test_the_server_reads_it_too_and_knows_what_it_cannot_tell(card: driver.Driver) -> None:
    card.works(socket.gethostname(), 37)
    assert told(SERVER, card) == ["ok", "580.65", "13.0", "Tesla T4", 0.37, 8 << 30, None, True]

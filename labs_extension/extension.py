"""The Jupyter server extension: its settings, and what it starts and stops."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

from jupyter_server.extension.application import ExtensionApp
from prometheus_client import REGISTRY
from traitlets import Float, Unicode

from labs_extension.benchmark.api import BenchmarkHandler, BenchmarksHandler, ResultsHandler
from labs_extension.benchmark.results import results_folder
from labs_extension.benchmark.runs import Runs
from labs_extension.clock import SystemClock
from labs_extension.gpu.api import GpuHandler
from labs_extension.gpu.frameworks import Frameworks, ask_process
from labs_extension.gpu.metrics import GpuCollector
from labs_extension.gpu.nvml import Nvml
from labs_extension.gpu.sampler import Sampler
from labs_extension.session.activity import Activity
from labs_extension.session.api import ActHandler, SavedHandler, SessionHandler, TabHandler
from labs_extension.session.kernels import Kernels
from labs_extension.session.relay import ACTS, Controller
from labs_extension.session.sensors import Sensors


class LabsExtension(ExtensionApp):
    """GPU report, benchmark, results and the session in a student's own server."""

    name = "labs_extension"
    extension_url = "/"

    sample_seconds = Float(
        5.0,
        min=1.0,
        config=True,
        help="""Seconds between two samples of the GPU; default 5. Shorter shows more and costs more
        processor time; there is one sample for all open tabs.""",
    )
    history_seconds = Float(
        600.0,
        min=10.0,
        config=True,
        help="""Seconds of history that the report carries; default 600. Longer makes each answer
        larger.""",
    )
    nvml_timeout = Float(
        10.0,
        min=1.0,
        config=True,
        help="""Seconds after which a driver that does not answer counts as hanging and the report
        says `error`; default 10. Some GPUs need several seconds to wake up.""",
    )
    kernel_python = Unicode(
        sys.executable,
        config=True,
        help="""The Python of the notebooks, in which the frameworks are looked for and the benchmark
        runs; default: the one that runs the server.""",
    )
    framework_timeout = Float(
        120.0,
        min=5.0,
        config=True,
        help="""Seconds that TensorFlow, PyTorch and JAX each have to say whether they see the GPU;
        default 120. Importing one for the first time reads a gigabyte from the machine's disk.""",
    )
    sensors_seconds = Float(
        5.0,
        min=1.0,
        config=True,
        help="""Seconds between two writings of what the server sees of people and kernels, for the
        machine's agent; default 5. Longer costs less processor time, and lets the hub know later
        that somebody is there.""",
    )

    def initialize_settings(self) -> None:
        """Begin to sample."""
        clock = SystemClock()
        self.sampler = Sampler(
            Nvml,
            clock,
            every=self.sample_seconds,
            keep=self.history_seconds,
            patience=self.nvml_timeout,
        )
        ask = partial(ask_process, self.kernel_python, patience=self.framework_timeout)
        self.frameworks = Frameworks(ask, clock)
        self.runs = Runs(self.kernel_python, results_folder(os.environ, Path.home()), clock)
        self._clock = clock
        self.activity = Activity(clock)
        self.controller = Controller.from_environment(os.environ)
        self.sensors = Sensors(
            self.serverapp,
            self.activity,
            Kernels(clock),
            _path("GPUSPAWNER_SENSORS_FILE"),
            every=self.sensors_seconds,
        )
        self._collector = GpuCollector(self.sampler.snapshot)
        REGISTRY.register(self._collector)
        self.sampler.start()

    def initialize_handlers(self) -> None:
        """The addresses below the server's base URL."""
        parts = {"sampler": self.sampler, "frameworks": self.frameworks, "clock": self._clock}
        runs = {"runs": self.runs}
        self.handlers += [
            ("gpuspawner/api/gpu", GpuHandler, parts),
            ("gpuspawner/api/benchmarks", BenchmarksHandler, {**runs, "clock": self._clock}),
            (r"gpuspawner/api/benchmarks/([0-9a-z-]{1,60})", BenchmarkHandler, runs),
            ("gpuspawner/api/results", ResultsHandler, runs),
        ]
        self._initialize_session_handlers()

    def _initialize_session_handlers(self) -> None:
        activity = {"activity": self.activity}
        shown = {
            **activity,
            "controller": self.controller,
            "file": _path("GPUSPAWNER_SESSION_FILE"),
            "clock": self._clock,
        }
        reported = {**activity, "write": self.sensors.write}
        address = "gpuspawner/api/session"
        self.handlers += [
            (address, SessionHandler, shown),
            (
                rf"{address}/({'|'.join(ACTS)})",
                ActHandler,
                {**activity, "controller": self.controller},
            ),
            (rf"{address}/tab", TabHandler, reported),
            (rf"{address}/saved", SavedHandler, reported),
        ]
        self.sensors.start()

    async def stop_extension(self) -> None:
        """End what was begun, also when the driver hangs."""
        with suppress(KeyError):  # a server may stop us twice
            REGISTRY.unregister(self._collector)
        self.sensors.stop()
        await self.runs.close()
        self.frameworks.close()
        await asyncio.get_running_loop().run_in_executor(None, self.sampler.stop)


def _path(variable: str) -> Path | None:
    """The file that the machine's agent has named; None where there is no agent."""
    named = os.environ.get(variable)
    return Path(named) if named else None

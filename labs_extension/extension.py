"""The Jupyter server extension: its settings, and what it starts and stops."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from prometheus_client import REGISTRY
from traitlets import Float, Int, List, Unicode, default

from labs_extension.benchmark.api import (
    BenchmarkHandler,
    BenchmarksHandler,
    ComparisonHandler,
    ResultsHandler,
)
from labs_extension.benchmark.compare import Classmates
from labs_extension.benchmark.results import results_folder
from labs_extension.benchmark.runs import Runs
from labs_extension.clock import SystemClock
from labs_extension.delivery.api import CourseHandler
from labs_extension.delivery.deliver import Report, Wish, deliver
from labs_extension.delivery.source import Repository
from labs_extension.display_language import follow_hub
from labs_extension.gpu.api import GpuHandler
from labs_extension.gpu.frameworks import Frameworks, ask_process
from labs_extension.gpu.metrics import GpuCollector
from labs_extension.gpu.nvml import Nvml
from labs_extension.gpu.sampler import Sampler
from labs_extension.kernels.offer import offer_kernels
from labs_extension.outputs.api import start_keeping
from labs_extension.outputs.settings import OutputSettings
from labs_extension.session.activity import Activity
from labs_extension.session.api import ActHandler, SavedHandler, SessionHandler, TabHandler
from labs_extension.session.kernels import Kernels
from labs_extension.session.relay import ACTS, Controller
from labs_extension.session.sensors import Sensors
from labs_extension.storage.api import Storage, StorageHandler

TEMPORARY = ("/tmp", "/var/tmp", "/mnt", "/opt/dlami/nvme")  # noqa: S108 - what is looked at
"""The last two are the temporary disks of Azure's machines and of AWS's Deep Learning images."""


class LabsExtension(OutputSettings, ExtensionApp):
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

    course_folder = Unicode(
        config=True,
        help="""The folder of the home into which the course is delivered before the student opens
        JupyterLab; default: `course` on a machine of a class, and none anywhere else. Empty delivers
        nothing.""",
    )
    course_repository = Unicode(
        "",
        config=True,
        help="""The git repository that the course comes from, as `https://…`; it is the only one, and
        no link or request can name another. Default: empty, which delivers the copy that is
        installed with gpuspawner. A repository that needs a password cannot be used.""",
    )
    course_ref = Unicode(
        "",
        config=True,
        help="""What of `course_repository` is delivered: a commit (40 digits), a tag or a branch; no
        default. A commit is sure to be what you have looked at; with a branch, students get what is
        there when their server starts.""",
    )
    course_path = Unicode(
        "",
        config=True,
        help="""The folder in `course_repository` that is delivered, with all below it but what is
        hidden; default: empty, the whole of it.""",
    )
    course_seconds = Float(
        20.0,
        min=1.0,
        config=True,
        help="""Seconds that the delivery of the course may take when a server starts; default 20. A
        network that is closed costs as much of each start when `course_repository` is set; a shorter
        time may leave files for the next start.""",
    )

    temporary_folders = List(
        Unicode(),
        config=True,
        help="""Folders that a machine forgets when it stops. A student who has large files there is
        warned. Default: /tmp, /var/tmp, /mnt and /opt/dlami/nvme on a machine of a class, and none
        anywhere else. Their files are counted every 20 seconds while somebody looks.""",
    )
    temporary_mib = Int(
        10,
        min=1,
        config=True,
        help="""Mebibytes from which on a file or folder in `temporary_folders` is worth a warning;
        default 10. Fewer warn of what programs leave behind.""",
    )

    @default("temporary_folders")
    def _default_temporary_folders(self) -> list[str]:
        return list(TEMPORARY) if _is_managed() else []

    @default("course_folder")
    def _default_course_folder(self) -> str:
        return "course" if _is_managed() else ""

    def initialize_settings(self) -> None:
        """Deliver the course, so that it is there before anybody looks, and begin to sample."""
        clock = SystemClock()
        self.course = self._deliver(clock)
        specs = self.serverapp.kernel_spec_manager if self.serverapp else None
        if specs is not None and _is_managed():
            offer_kernels(specs, os.environ, Path.home(), self.log)
        if _is_managed():
            follow_hub(os.environ, self.log)
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
        self.keeper = self.make_keeper(self.serverapp, clock)
        self._collector = GpuCollector(self.sampler.snapshot)
        REGISTRY.register(self._collector)
        self.sampler.start()

    def _deliver(self, clock: SystemClock) -> Report | None:
        if not self.course_folder:
            return None
        where = Repository(self.course_repository, self.course_ref, self.course_path)
        wish = Wish(
            Path.home(),
            self.course_folder,
            where if self.course_repository else None,
            self.course_seconds,
        )
        report = deliver(wish, clock, os.environ)
        if report.problem:
            self.log.warning("the course: %s: %s", report.problem, report.detail)
        return report

    def initialize_handlers(self) -> None:
        """The addresses below the server's base URL."""
        parts = {"sampler": self.sampler, "frameworks": self.frameworks, "clock": self._clock}
        runs = {"runs": self.runs}
        storage = Storage(
            Path.home(), self.temporary_folders, self.temporary_mib << 20, self._clock
        )
        course = {
            "report": self.course,
            "home": Path.home(),
            "root": self._root,
        }
        self.handlers += [
            ("gpuspawner/api/gpu", GpuHandler, parts),
            ("gpuspawner/api/course", CourseHandler, course),
            ("gpuspawner/api/storage", StorageHandler, {"storage": storage}),
            ("gpuspawner/api/benchmarks", BenchmarksHandler, {**runs, "clock": self._clock}),
            (r"gpuspawner/api/benchmarks/([0-9a-z-]{1,60})", BenchmarkHandler, runs),
            ("gpuspawner/api/results", ResultsHandler, runs),
            (
                r"gpuspawner/api/results/([A-Za-z0-9-]{1,60})/class",
                ComparisonHandler,
                {**runs, "classmates": Classmates(self.controller)},
            ),
        ]
        self._initialize_session_handlers()

    def _root(self) -> Path:
        assert self.serverapp is not None
        return Path(self.serverapp.root_dir)

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
        if self.keeper is not None:
            self.handlers += start_keeping(self.serverapp, self.keeper)

    async def stop_extension(self) -> None:
        """End what was begun, also when the driver hangs."""
        with suppress(KeyError):  # a server may stop us twice
            REGISTRY.unregister(self._collector)
        self.sensors.stop()
        if self.keeper is not None:
            await self.keeper.close()
        await self.runs.close()
        self.frameworks.close()
        await asyncio.get_running_loop().run_in_executor(None, self.sampler.stop)


def settings() -> dict[str, Any]:
    """Every setting of the extension's own, by name."""
    traits = (kind.class_own_traits(config=True) for kind in (LabsExtension, OutputSettings))
    return {name: trait for own in traits for name, trait in own.items()}


def _is_managed() -> bool:
    """Whether an agent has started this server, on a machine of a class."""
    return bool(os.environ.get("GPUSPAWNER_CLAIM"))


def _path(variable: str) -> Path | None:
    """The file that the machine's agent has named; None where there is no agent."""
    named = os.environ.get(variable)
    return Path(named) if named else None

"""`gpuspawner/api/gpu`: the last sample, its history, and whether the frameworks see the GPU."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from labs_extension.clock import Clock
from labs_extension.gpu.frameworks import Framework, Frameworks, unseen
from labs_extension.gpu.records import Snapshot, Status
from labs_extension.gpu.sampler import Point, Sampler
from labs_extension.gpu.sentences import sentence, status_of
from labs_extension.handler import LabsHandler

_FIRST_SAMPLE_SECONDS = 3.0


class GpuHandler(LabsHandler):
    """The report; see `report` for its shape."""

    def initialize(self, sampler: Sampler, frameworks: Frameworks, clock: Clock) -> None:
        """What it reads from."""
        self._sampler = sampler
        self._frameworks = frameworks
        self._clock = clock

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer from what is known; at the very first, wait a little for it."""
        loop = asyncio.get_running_loop()
        if not self._sampler.wait_for_first(0):
            await loop.run_in_executor(None, self._sampler.wait_for_first, _FIRST_SAMPLE_SECONDS)
        snapshot = self._sampler.snapshot()
        if snapshot.status is Status.OK:
            self._frameworks.look()
        known = self._frameworks.known() if snapshot.status is Status.OK else None
        self.answer(
            report(
                snapshot,
                known,
                self._sampler.history(),
                notebooks=await self._notebooks(snapshot),
                age=self._clock.now() - snapshot.at,
            )
        )

    async def _notebooks(self, snapshot: Snapshot) -> dict[int, str]:
        """The paths of this server's notebooks by the process that runs their kernel."""
        if not any(device.processes for device in snapshot.devices):
            return {}
        paths = {}
        for session in await self.session_manager.list_sessions():  # type: ignore[no-untyped-call]
            kernel = self.kernel_manager.get_kernel(session["kernel"]["id"])
            pid = getattr(getattr(kernel, "provisioner", None), "pid", None)
            if pid is not None:
                paths[int(pid)] = str(session["path"])
        return paths


def report(
    snapshot: Snapshot,
    frameworks: Mapping[str, Framework] | None,
    history: Mapping[str, list[Point]],
    *,
    notebooks: Mapping[int, str],
    age: float,
) -> dict[str, Any]:
    """The report as it is sent: numbers in the units of their names, null for what is unknown.

    Args:
        snapshot: the last sample.
        frameworks: what they say, None when they were not asked yet.
        history: the points by uuid, oldest first.
        notebooks: paths by process id.
        age: seconds since the sample.
    """
    blind = unseen(frameworks) if frameworks else []
    status = status_of(snapshot, blind)
    return {
        "status": status.value,
        "sentence": sentence(status, blind, os.environ.get("CUDA_VISIBLE_DEVICES")),
        "detail": snapshot.detail,
        "sampled_at": snapshot.at,
        "age_seconds": round(max(age, 0.0), 3),
        "driver_version": snapshot.driver_version,
        "cuda_version": snapshot.cuda_version,
        "devices": [_device(asdict(device), notebooks) for device in snapshot.devices],
        "frameworks": None
        if frameworks is None
        else {name: asdict(one) for name, one in frameworks.items()},
        "history": {uuid: [vars(point) for point in points] for uuid, points in history.items()},
    }


def _device(device: dict[str, Any], notebooks: Mapping[int, str]) -> dict[str, Any]:
    for process in device["processes"] or ():
        process["notebook"] = notebooks.get(process["pid"])
    return device

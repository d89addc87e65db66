"""What a notebook can tell of the machine it runs on, and of the session."""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from labs_extension.clock import SystemClock
from labs_extension.gpu.nvml import Nvml
from labs_extension.gpu.sentences import sentence
from labs_extension.lesson.words import language

SESSION_VARIABLE = "GPUSPAWNER_SESSION_FILE"
"""Where the machine's agent writes what the hub said last."""


def machine() -> dict[str, Any]:
    """Processors, memory and the home's room, in GiB; None for what cannot be seen."""
    home = shutil.disk_usage(Path.home())
    return {
        "name": platform.node(),
        "processors": len(os.sched_getaffinity(0)),
        "memory_gib": _memory_gib(),
        "home_gib": round(home.total / 2**30, 1),
        "home_free_gib": round(home.free / 2**30, 1),
    }


def gpu_report() -> dict[str, Any]:
    """What the driver says: `status`, `sentence` (what to do), `devices`. Never raises."""
    nvml = Nvml()
    snapshot = nvml.read(SystemClock().now())
    nvml.close()
    return {
        "status": snapshot.status.value,
        "sentence": sentence(snapshot.status)[language()],
        "driver_version": snapshot.driver_version,
        "devices": [asdict(one) for one in snapshot.devices],
    }


def session(environment: Mapping[str, str] = os.environ) -> dict[str, Any] | None:
    """What the hub said of this session: `balance`, `deadline`, `sentence`; None without a hub."""
    path = environment.get(SESSION_VARIABLE)
    try:
        said = json.loads(Path(path).read_text(encoding="utf-8")) if path else None
    except (OSError, ValueError):
        return None
    return said if isinstance(said, dict) else None


def is_kept(path: str | Path) -> bool:
    """Whether what is written to `path` is there after a stop: it lies in the home, on its disk.

    A link out of the home, or a folder of it that is another disk, is not kept.
    """
    home, there = Path.home().resolve(), Path(path).expanduser().resolve()
    while not there.exists():
        there = there.parent
    return there.is_relative_to(home) and there.stat().st_dev == home.stat().st_dev


def _memory_gib() -> float | None:
    try:
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None
    return round(pages * size / 2**30, 1)

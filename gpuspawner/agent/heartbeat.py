"""What the machine tells of itself, what it hears back, and the two files between us and the server.

The server (its `labs_extension`) writes what only it can see to `SENSORS`; we write what the
controller answered to `SESSION`, for the student to see. The student may be root here, so both are
claims and nothing that costs money follows from them.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpuspawner.agent.api import Unreachable
from gpuspawner.agent.commands import CommandFailed, run

SENSORS = "run/gpuspawner/server/sensors.json"
SESSION = "run/gpuspawner/session.json"
LARGEST_SENSORS = 64 << 10
SAVE_SECONDS = 60.0
"""How long saving and ending the server may take in all: the controller waits no longer."""

_GPU_FIELDS = "utilization.gpu,memory.used,memory.total"


@dataclass(frozen=True)
class Answer:
    """What the controller said: times in seconds; `session` is what the student is shown of it.

    `issued` is that of the orders it has for us; 0 when it has none. `save_seconds` is how long
    saving and ending the server may take in all.
    """

    generation: int
    verdict: str
    next_seconds: float
    session: Mapping[str, Any]
    issued: float = 0.0
    save_seconds: float = SAVE_SECONDS

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Answer:
        """The answer in `data`; unknown keys are ignored.

        Raises:
            Unreachable: it makes no sense.
        """
        try:
            shown = ("verdict", "reason", "sentence", "deadline", "balance", "session")
            limit = data.get("save_seconds")
            return cls(
                generation=int(data["generation"]),
                verdict=str(data["verdict"]),
                # An answer of 0 must not become a flood, nor one of a day a silence.
                next_seconds=min(max(float(data["next_heartbeat_seconds"]), 1.0), 300.0),
                session={name: data.get(name) for name in shown},
                issued=float(data.get("issued") or 0.0),
                save_seconds=SAVE_SECONDS
                if limit is None
                else min(max(float(limit), 0.0), SAVE_SECONDS),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise Unreachable(f"a heartbeat's answer that makes no sense: {error!r}") from error


class Facts:
    """Measures the machine below `root`; what cannot be measured is None, never 0."""

    def __init__(self, root: Path, home: Path) -> None:
        self._root = root
        self._home = home
        self._cpu: tuple[int, int] | None = None
        self._has_gpu = shutil.which("nvidia-smi") is not None

    def boot_id(self) -> str:
        """The kernel's name for this boot; empty if it tells none."""
        return _text(self._root / "proc/sys/kernel/random/boot_id").strip()

    def read(self) -> dict[str, Any]:
        """Everything at once, percentages from 0 to 100."""
        return {
            "cpu_percent": self._cpu_percent(),
            "memory_percent": self._memory_percent(),
            "home_percent": self._home_percent(),
            "gpus": self._gpus(),
            "server": read_sensors(self._root / SENSORS),
        }

    def _cpu_percent(self) -> float | None:
        """The mean since the last call; None at the first."""
        fields = _text(self._root / "proc/stat").partition("\n")[0].split()[1:9]
        try:
            ticks = [int(field) for field in fields]
            total, idle = sum(ticks), ticks[3] + ticks[4]
        except (ValueError, IndexError):
            return None
        before, self._cpu = self._cpu, (total, idle)
        if before is None or total <= before[0]:
            return None
        return round(100.0 * (1 - (idle - before[1]) / (total - before[0])), 1)

    def _memory_percent(self) -> float | None:
        lines = _text(self._root / "proc/meminfo").splitlines()
        sizes = {line.partition(":")[0]: line.split()[1] for line in lines if len(line.split()) > 1}
        try:
            return round(100.0 * (1 - int(sizes["MemAvailable"]) / int(sizes["MemTotal"])), 1)
        except (KeyError, ValueError, ZeroDivisionError):
            return None

    def _home_percent(self) -> float | None:
        try:
            usage = shutil.disk_usage(self._home)
        except OSError:
            return None
        return round(100.0 * usage.used / usage.total, 1) if usage.total else None

    def _gpus(self) -> list[dict[str, float | None]] | None:
        if not self._has_gpu:
            return None
        argv = ["nvidia-smi", f"--query-gpu={_GPU_FIELDS}", "--format=csv,noheader,nounits"]
        try:
            _, said = run(argv, timeout=5.0)
        except CommandFailed:
            return None
        names = ("percent", "memory_mib", "memory_total_mib")
        rows = (line.split(",") for line in said.splitlines() if line.strip())
        return [dict(zip(names, map(_number, row), strict=False)) for row in rows]


def read_sensors(path: Path) -> dict[str, Any] | None:
    """What the server wrote, or None.

    The folder is the student's: a link out of it is not followed, a pipe does not hold us up, and
    a large file is not read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode) or about.st_size > LARGEST_SENSORS:
            return None
        try:
            said = json.loads(file.read(LARGEST_SENSORS))
        except (ValueError, RecursionError):
            return None
    return said if isinstance(said, dict) else None


def write_session(path: Path, session: Mapping[str, Any]) -> None:
    """Show `session` to the server: readable by all, so never a secret in it."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(json.dumps(session), encoding="utf-8")
    new.chmod(0o644)
    new.replace(path)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None

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
from gpuspawner.agent.clock import Clock
from gpuspawner.agent.gpus import Gpus
from gpuspawner.agent.processes import Student

SENSORS = "run/gpuspawner/server/sensors.json"
SESSION = "run/gpuspawner/session.json"
LARGEST_SENSORS = 64 << 10
SAMPLE_SECONDS = 10.0
SAVE_SECONDS = 60.0
"""How long saving and ending the server may take in all, until the controller says otherwise."""

LONGEST_SAVE_SECONDS = 300.0
"""An answer of a day must not keep a machine on that is to be off."""


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

    @property
    def save(self) -> str | None:
        """The controller's own request to save, if there is one."""
        inner = self.session.get("session")
        save = inner.get("save") if isinstance(inner, dict) else None
        return save if isinstance(save, str) else None

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
                else min(max(float(limit), 0.0), LONGEST_SAVE_SECONDS),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise Unreachable(f"a heartbeat's answer that makes no sense: {error!r}") from error


class Facts:
    """Measures the machine below `root`; what cannot be measured is None, never 0.

    Call `look` often: it measures every ten seconds, whatever the rhythm of the heartbeats.
    """

    def __init__(self, root: Path, home: Path, clock: Clock, gpus: Gpus) -> None:
        self._root = root
        self._home = home
        self._clock = clock
        self._gpus = gpus
        self._student = Student(root)
        self._look_at = clock.monotonic()
        self._cpu: tuple[int, int] | None = None
        self._seen: tuple[Any, float] | None = None

    def look(self, server: int | None) -> None:
        """Measure what is measured over time; `server` is the Jupyter server's process."""
        now = self._clock.monotonic()
        if now >= self._look_at:
            self._look_at = now + SAMPLE_SECONDS
            self._student.sample(now, server)

    def boot_id(self) -> str:
        """The kernel's name for this boot; empty if it tells none."""
        return _text(self._root / "proc/sys/kernel/random/boot_id").strip()

    def read(self) -> dict[str, Any]:
        """Everything at once, percentages from 0 to 100."""
        now = self._clock.monotonic()
        return {
            "cpu_percent": self._cpu_percent(),
            "memory_percent": self._memory_percent(),
            "home_percent": _disk_percent(self._home),
            "disk_percent": _disk_percent(self._root),
            "gpus": self._gpus.facts(),
            "processor": self._student.processor(),
            "ssh": self._student.ssh(now),
            **self.server(now),
        }

    def server(self, now: float) -> dict[str, Any]:
        """What the server wrote, and its age by what it counts and our own clock.

        The file's own time could be anything.
        """
        server = read_sensors(self._root / SENSORS)
        if server is None:
            return {"server": None, "server_age": None}
        writing = server.get("server"), server.get("sequence")
        if self._seen is None or self._seen[0] != writing:
            self._seen = writing, now
        return {"server": server, "server_age": round(now - self._seen[1], 1)}

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


def _disk_percent(folder: Path) -> float | None:
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return round(100.0 * usage.used / usage.total, 1) if usage.total else None

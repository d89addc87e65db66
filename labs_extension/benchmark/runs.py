"""The benchmark as a process of the server's: one at a time, watched, and ended when told to."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labs_extension.clock import Clock

LONGEST_LINE = 512 << 10
MOST_EVENTS = 200
KEPT_RUNS = 10


class AlreadyRunning(Exception):
    """One is running; two would measure each other."""


@dataclass
class BenchmarkRun:
    """One run as the server sees it.

    Attributes:
        state: `running`, `finished`, `cancelled`, or `failed` when it ended without a result.
        events: what it said, oldest first, without the whole result.
        started: seconds since 1970.
    """

    id: str
    scale: str
    items: Sequence[str]
    started: float
    state: str = "running"
    events: list[dict[str, Any]] = field(default_factory=list)
    exit_code: int | None = None
    cancelling: bool = False

    def to_json(self) -> dict[str, Any]:
        """The run as it is sent. `now` is what it measures at the moment."""
        begun = [one for one in self.events if one["event"] == "begin"]
        now = begun[-1] if begun and self.state == "running" else None
        return {
            "id": self.id,
            "scale": self.scale,
            "items": list(self.items),
            "started": self.started,
            "state": self.state,
            "exit_code": self.exit_code,
            "now": None if now is None else {"id": now["id"], "device": now["device"]},
            "results": [one["row"] for one in self.events if one["event"] == "result"],
        }


class Runs:
    """Starts, watches and ends benchmarks.

    Args:
        python: the interpreter that has the framework.
        results: the folder of the result files.
        grace: seconds to end in, before it is killed.
    """

    def __init__(self, python: str, results: Path, clock: Clock, *, grace: float = 10.0) -> None:
        self._python = python
        self._results = results
        self._clock = clock
        self._grace = grace
        self._runs: dict[str, BenchmarkRun] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()

    @property
    def results(self) -> Path:
        """The folder of the result files."""
        return self._results

    def all(self) -> list[BenchmarkRun]:
        """The last runs, newest first."""
        return list(reversed(self._runs.values()))

    def get(self, name: str) -> BenchmarkRun | None:
        """The run of this id."""
        return self._runs.get(name)

    async def start(
        self, name: str, scale: str, items: Sequence[str], environment: Mapping[str, str]
    ) -> BenchmarkRun:
        """Start one.

        Raises:
            AlreadyRunning: another one runs.
            OSError: there is no such Python.
        """
        async with self._starting:
            if self._watch is not None and not self._watch.done():
                raise AlreadyRunning
            only = ["--only", *items] if items else []
            arguments = ["-m", "labs_extension.benchmark", "--progress", "json", "--id", name]
            arguments += ["--output", str(self._results / f"{name}.json"), "--scale", scale, *only]
            self._process = await asyncio.create_subprocess_exec(
                self._python,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={**os.environ, **environment},
                start_new_session=True,
                limit=LONGEST_LINE,
            )
            run = BenchmarkRun(name, scale, items, self._clock.now())
            self._runs[name] = run
            for old in list(self._runs)[:-KEPT_RUNS]:
                del self._runs[old]
            self._watch = asyncio.create_task(self._follow(run, self._process))
            return run

    async def cancel(self, run: BenchmarkRun) -> None:
        """End a run, with what it has measured so far kept. Safe to repeat."""
        if run.state != "running" or self._process is None or self._watch is None:
            return
        run.cancelling = True
        self._signal(self._process, signal.SIGTERM)
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._watch), self._grace)
        if not self._watch.done():
            self._signal(self._process, signal.SIGKILL)
            await self._watch

    async def close(self) -> None:
        """End whatever runs."""
        for run in self.all():
            await self.cancel(run)

    async def wait(self) -> None:
        """Wait for the run that is under way."""
        if self._watch is not None:
            await self._watch

    async def _follow(self, run: BenchmarkRun, process: asyncio.subprocess.Process) -> None:
        ended = False
        assert process.stdout is not None
        try:
            while line := await process.stdout.readline():
                with suppress(ValueError, KeyError, TypeError):
                    event = json.loads(line)
                    ended = ended or event["event"] == "end"
                    if event["event"] in {"begin", "result"} and len(run.events) < MOST_EVENTS:
                        run.events.append(event)
        except ValueError:
            # A line without end is no progress.
            self._signal(process, signal.SIGKILL)
        finally:
            run.exit_code = await self._reap(process)
            run.state = _state(run, ended=ended)

    async def _reap(self, process: asyncio.subprocess.Process) -> int:
        try:
            code = await asyncio.wait_for(process.wait(), self._grace)
        except asyncio.TimeoutError:
            self._signal(process, signal.SIGKILL)
            code = await process.wait()
        # Its workers are in its group; none may go on without it.
        self._signal(process, signal.SIGKILL)
        return code

    def _signal(self, process: asyncio.subprocess.Process, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)


def _state(run: BenchmarkRun, *, ended: bool) -> str:
    if run.cancelling:
        return "cancelled"
    return "finished" if ended else "failed"

"""Runs a worker and hands on what it says, with patience for each line."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

LONGEST_LINE = 64 << 10
TAIL_LINES = 5


class Silent(Exception):
    """The worker said nothing for as long as an item may take."""


class Worker(Protocol):
    """A process that measures."""

    def events(self, patience: float) -> Iterator[dict[str, Any]]:
        """What it says, until it ends.

        Raises:
            Silent: it said nothing for `patience` seconds.
        """
        ...

    def end(self) -> str:
        """End it, and say how it ended: empty when it went well, else its last words."""
        ...


class WorkerProcess:
    """A worker as a process of this Python. It is in our process group and ends with it."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "labs_extension.benchmark.worker", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
        )
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._tail: list[str] = []
        self._readers = [
            threading.Thread(target=read, daemon=True) for read in (self._read, self._read_errors)
        ]
        for reader in self._readers:
            reader.start()

    def events(self, patience: float) -> Iterator[dict[str, Any]]:
        """What it says; see `Worker`."""
        while True:
            try:
                line = self._lines.get(timeout=patience)
            except queue.Empty:
                raise Silent from None
            if line is None:
                return
            with suppress(ValueError):
                yield json.loads(line)

    def end(self) -> str:
        """End it; see `Worker`."""
        with suppress(subprocess.TimeoutExpired):
            # It has closed its output, so it is about to end by itself, or it has to be ended.
            self._process.wait(2 if self._process.poll() is None else 0)
        with suppress(ProcessLookupError):
            self._process.kill()
        code = self._process.wait()
        for reader in self._readers:
            reader.join(2)
        if code == 0:
            return ""
        name = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return f"{name}: {' '.join(self._tail)}"[:300]

    def _read(self) -> None:
        assert self._process.stdout is not None
        while line := self._process.stdout.readline(LONGEST_LINE):
            self._lines.put(line)
        self._lines.put(None)

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            text = line.decode(errors="replace").strip()
            if text:
                self._tail = [*self._tail, text][-TAIL_LINES:]

"""Processes that have imported everything before they are needed: a killed one is replaced at once.

Importing is most of what a controller or a hub does when it starts, and a sweep starts hundreds of
them. The nursery is a process that has the imports done and forks; what it forks is a process like
any other, in a session of its own, with its own environment, folder and log.

In the test: `Nursery(module)`, then `spawn`. In the child: `serve(main)`.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Nursery:
    """A process that forks `module`'s main on request; close it to end it."""

    def __init__(self, module: str) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, "--nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )

    def spawn(
        self, command: list[str], *, environment: Mapping[str, str], folder: Path, log: Path
    ) -> Child:
        """A new process with these arguments; safe to call from any thread."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"argv": command, "environment": dict(environment), "folder": str(folder)}
        with self._lock:
            self._process.stdin.write(json.dumps({**order, "log": str(log)}).encode() + b"\n")
            self._process.stdin.flush()
            return Child(json.loads(self._process.stdout.readline())["pid"])

    def close(self) -> None:
        """End the nursery; what it has forked lives on."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process.wait(20)


_shared: dict[str, Nursery] = {}


def shared(module: str) -> Nursery:
    """The one nursery of `module` for all the tests of this process; it ends with them."""
    if module not in _shared:
        _shared[module] = Nursery(module)
        atexit.register(_shared[module].close)
    return _shared[module]


class Child:
    """What `subprocess.Popen` would be if it were our own child; how it ended is not known."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        try:
            self._fd = os.pidfd_open(pid)
        except ProcessLookupError:
            self.returncode = 0

    def poll(self) -> int | None:
        """None while it lives."""
        if self.returncode is None and select.select([self._fd], [], [], 0)[0]:
            self.returncode = 0
            os.close(self._fd)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it lives on.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                raise subprocess.TimeoutExpired(["nursery"], timeout or 0)
            select.select([self._fd], [], [], left)
        return 0

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended: the pidfd keeps another's pid from being hit."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._fd, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


def serve(main: Callable[[list[str]], Any]) -> None:
    """Fork a process that calls `main(argv)` for each line on stdin, until that ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(order, main)
        sys.stdout.write(json.dumps({"pid": pid}) + "\n")
        sys.stdout.flush()


def _become(order: Mapping[str, Any], main: Callable[[list[str]], Any]) -> None:
    assert threading.active_count() == 1, "only this thread is forked"
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for old, new in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(old, new)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    try:
        status = main(order["argv"])
    except SystemExit as error:
        status = error.code
    sys.stdout.flush()
    os._exit(status if isinstance(status, int) else 1)

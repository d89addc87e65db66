"""Process 1 of a machine: starts the agent as systemd would, reaps, runs `sudo`, handles power."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from gpuspawner.emulator.clock_ import Clock
from gpuspawner.emulator.machine_sudo import SudoServer, spawn

POWER_OFF, REBOOT, CRASHED = 0, 3, 4
"""Exit statuses: how the machine ended."""

_POWER_OFF_SIGNAL = signal.SIGRTMIN + 4
_REBOOT_SIGNAL = signal.SIGRTMIN + 5


class Unit:
    """What of a systemd unit the init obeys: ExecStart, Environment, RestartSec, TimeoutStopSec."""

    def __init__(self, text: str) -> None:
        lines = [line.strip() for line in text.splitlines() if "=" in line and line[0] != "#"]
        pairs = [tuple(line.split("=", 1)) for line in lines]
        values = {key: value for key, value in pairs if key != "Environment"}
        self.argv = shlex.split(values["ExecStart"])
        words = [
            word for key, value in pairs if key == "Environment" for word in shlex.split(value)
        ]
        self.environment = dict(word.split("=", 1) for word in words)
        self.restart_seconds = float(values.get("RestartSec", "0.1"))
        self.stop_seconds = float(values.get("TimeoutStopSec", "90"))


class Init:
    """The init of the machine below `root`.

    Args:
        root: where the machine's paths begin.
        unit: the unit to start.
        path: the machine's PATH.
        environment: further variables for the agent.
        control: a descriptor that ends (and the machine with it) when the host is gone, and on
            which lines come that `obey` is handed.
        obey: what to do with such a line, unless it is `off`.
        alone: whether this is process 1, and all other processes are the machine's.
        sudo: whether to run commands as root for others.
    """

    def __init__(
        self,
        root: Path,
        unit: Unit,
        path: str,
        *,
        environment: Mapping[str, str],
        control: int,
        obey: Callable[[bytes], None],
        alone: bool,
        sudo: bool,
    ) -> None:
        self._root = root
        self._unit = unit
        self._path = path
        self._environment = {**unit.environment, **environment, "PATH": path, "LANG": "C.UTF-8"}
        self._control = control
        self._obey = obey
        self._alone = alone
        self._sudo = SudoServer(root / "run/emulator/sudo", path) if sudo else None
        self._clock = Clock()
        self._agent = 0
        self._agent_at: float | None = None
        self._end: int | None = None
        self._rest = b""

    def run(self) -> int:
        """Boot, live and go down; how the machine ended."""
        self._write_pid()
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        signal.signal(_POWER_OFF_SIGNAL, lambda *_: self._request(POWER_OFF))
        signal.signal(_REBOOT_SIGNAL, lambda *_: self._request(REBOOT))
        _say("init: booting")
        self._start_agent()
        while self._end is None:
            self._serve(reader, None)
        _say("init: going down for power-off" if self._end == POWER_OFF else "init: going down")
        self._go_down(reader)
        return self._end

    def _write_pid(self) -> None:
        folder = self._root / "run/emulator"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "init.pid").write_text(f"{os.getpid()}\n", encoding="ascii")

    def _request(self, end: int) -> None:
        if self._end is None:
            self._end = end

    def _serve(self, reader: int, deadline: float | None) -> None:
        """Wait for something to happen, and deal with it."""
        waits = [at - self._clock.now() for at in (deadline, self._agent_at) if at is not None]
        watched = [reader, self._control, *(self._sudo.watched() if self._sudo else ())]
        ready, _, _ = select.select(watched, [], [], max(min(waits), 0.0) if waits else None)
        if reader in ready:
            os.read(reader, 4096)
        if self._control in ready:
            self._hear()
        if self._sudo is not None:
            self._sudo.serve(ready)
        self._reap()
        if self._agent_at is not None and self._clock.now() >= self._agent_at and self._end is None:
            self._start_agent()

    def _hear(self) -> None:
        said = os.read(self._control, 65536)
        if not said:
            # The host is gone, whatever killed it: nothing of the machine may outlive it.
            while self._others():
                self._kill(signal.SIGKILL)
                self._reap()
            os._exit(CRASHED)
        *lines, self._rest = (self._rest + said).split(b"\n")
        for line in lines:
            if line == b"off":
                self._request(POWER_OFF)
            else:
                self._obey(line)

    def _start_agent(self) -> None:
        self._agent_at = None
        # By name: in this image the program is where the host's Python has it.
        argv = [Path(self._unit.argv[0]).name, *self._unit.argv[1:]]
        if str(self._root) != "/":
            argv += ["--root", str(self._root)]
        self._agent = spawn(argv, self._environment, cwd="/", fds=(None, 1, 2))

    def _reap(self) -> None:
        while True:
            try:
                process, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if process == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            if self._sudo is not None:
                self._sudo.ended(process, code)
            if process == self._agent:
                self._agent = 0
                self._agent_ended(code)

    def _agent_ended(self, code: int) -> None:
        if self._end is not None:
            return
        _say(f"init: the agent ended with {code}")
        if code != 0:
            # As systemd does for a service that fails: what is left of it goes, then once more.
            self._kill(signal.SIGKILL)
            self._agent_at = self._clock.now() + self._unit.restart_seconds

    def _go_down(self, reader: int) -> None:
        if self._agent:
            os.kill(self._agent, signal.SIGTERM)
        self._wait_for(reader, self._unit.stop_seconds, lambda: self._agent == 0)
        self._kill(signal.SIGTERM)
        self._wait_for(reader, 2.0, lambda: not self._others())
        while self._others():
            self._kill(signal.SIGKILL)
            self._wait_for(reader, 0.2, lambda: not self._others())

    def _wait_for(self, reader: int, seconds: float, done: Callable[[], bool]) -> None:
        deadline = self._clock.now() + seconds
        while not done() and self._clock.now() < deadline:
            self._serve(reader, min(deadline, self._clock.now() + 0.05))

    def _kill(self, number: signal.Signals) -> None:
        for process in self._others():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, number)

    def _others(self) -> set[int]:
        """Every other process of the machine: all that there is, or all that descend from us."""
        parents = dict(_parents())
        if self._alone:
            return set(parents) - {1}
        found: set[int] = set()
        newer = {os.getpid()}
        while newer:
            newer = {child for child, parent in parents.items() if parent in newer} - found
            found |= newer
        return found


def _parents() -> list[tuple[int, int]]:
    """Every process in sight that is alive, with its parent."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, parent = (
                    (folder / "stat").read_text("ascii", "replace").rsplit(")", 1)[1].split()[:2]
                )
            except (OSError, ValueError, IndexError):
                continue
            if state != "Z":
                found.append((int(folder.name), int(parent)))
    return found


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()

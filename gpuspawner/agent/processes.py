"""What the student's processes do, as the kernel tells below `proc`: see proc_pid_stat(5)."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WINDOW = 300.0
_TICKS = os.sysconf("SC_CLK_TCK")
_PTS_MAJORS = range(136, 144)
_HALTED = "TtZX"


@dataclass(frozen=True)
class Process:
    """One process. `ticks` are those of itself and of its children that have ended."""

    pid: int
    parent: int
    uid: int
    name: str
    state: str
    session: int
    tty: int
    ticks: int


class Student:
    """Watches the processes of the student: those of the server's user, and all below the server.

    Where server and agent are the same user, only those below the server, since the others are not
    the student's. Work that a `sudo` started below the server is the student's too.
    """

    def __init__(self, root: Path) -> None:
        self._proc, self._pts = root / "proc", root / "dev/pts"
        self._last: tuple[float, int] | None = None
        self._used: deque[tuple[float, float, float]] = deque()
        self._inputs: dict[int, tuple[float, float]] = {}
        self._mine: list[Process] | None = None
        self._all: dict[int, Process] = {}

    def sample(self, now: float, server: int | None) -> None:
        """Look at the processes; `now` in seconds, `server` the process of the Jupyter server."""
        self._all = {one.pid: one for one in _processes(self._proc)}
        root = self._all.get(server or 0)
        if root is None:
            self._mine, self._last = None, None
            return
        self._mine = list(self._students(root))
        ticks = sum(one.ticks for one in self._mine)
        if self._last is not None and now > self._last[0]:
            # What an orphan had used is gone with it: that is no negative work.
            used = max(ticks - self._last[1], 0) / _TICKS
            self._used.append((now, now - self._last[0], used))
        self._last = now, ticks
        while self._used and self._used[0][0] < now - WINDOW:
            self._used.popleft()
        self._look_at_terminals(now)

    def processor(self) -> dict[str, Any] | None:
        """Percent of one core over the last five minutes, and whether a terminal runs something."""
        if self._mine is None:
            return None
        seconds = sum(span for _, span, _ in self._used)
        used = sum(used for _, _, used in self._used)
        return {
            "student_percent_5min": round(100 * used / seconds, 2) if seconds else None,
            "terminal_child": any(
                one.tty and one.pid != one.session and one.state not in _HALTED
                for one in self._mine
            ),
        }

    def ssh(self, now: float) -> dict[str, Any] | None:
        """How many SSH sessions there are, and since when nobody has typed in one."""
        if self._mine is None:
            return None
        typed = [at for at, _ in self._inputs.values()]
        return {
            "sessions": sum(one.name.startswith("sshd") for one in self._mine),
            "input_age": round(now - max(typed), 1) if typed else None,
        }

    def _students(self, server: Process) -> Iterator[Process]:
        apart = server.uid != os.geteuid()
        for one in self._all.values():
            if (apart and one.uid == server.uid) or self._is_below(one, {server.pid}):
                yield one

    def _is_below(self, process: Process | None, above: set[int]) -> bool:
        seen: set[int] = set()
        while process is not None and process.pid not in seen:
            if process.pid in above:
                return True
            seen.add(process.pid)
            process = self._all.get(process.parent)
        return False

    def _look_at_terminals(self, now: float) -> None:
        """A terminal's time of access is when something last read what was typed (in steps of 8 s).

        It is compared with what it was and not with the time, so that no clock's jump counts.
        """
        daemons = {one.pid for one in self._all.values() if one.name.startswith("sshd")}
        terminals = {
            number
            for one in self._mine or ()
            if (number := _pts(one.tty)) is not None and self._is_below(one, daemons)
        }
        self._inputs = {key: value for key, value in self._inputs.items() if key in terminals}
        for terminal in terminals:
            try:
                read = (self._pts / str(terminal)).stat().st_atime
            except OSError:
                continue
            if terminal not in self._inputs or self._inputs[terminal][1] != read:
                self._inputs[terminal] = now, read


def _processes(proc: Path) -> Iterator[Process]:
    try:
        folders = [folder for folder in proc.iterdir() if folder.name.isdigit()]
    except OSError:
        return
    for folder in folders:
        found = _process(folder)
        if found is not None:
            yield found


def _process(folder: Path) -> Process | None:
    try:
        with (folder / "stat").open("rb") as file:
            text = file.read().decode(errors="replace")
            uid = os.fstat(file.fileno()).st_uid
        # The name may hold anything, brackets too; it ends at the last one.
        head, _, tail = text.rpartition(")")
        rest = tail.split()
        return Process(
            pid=int(folder.name),
            parent=int(rest[1]),
            uid=uid,
            name=head.partition("(")[2],
            state=rest[0],
            session=int(rest[3]),
            tty=int(rest[4]),
            ticks=sum(map(int, rest[11:15])),
        )
    except (OSError, ValueError, IndexError):  # it has just ended
        return None


def _pts(tty: int) -> int | None:
    """The number below /dev/pts of a terminal's device number; None when it is another terminal."""
    major, minor = (tty >> 8) & 0xFFF, (tty & 0xFF) | ((tty >> 12) & 0xFFF00)
    return (major - 136) * 256 + minor if major in _PTS_MAJORS else None

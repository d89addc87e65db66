"""The other end of the machine's `sudo`: init runs the command for whoever asks.

A setuid program would not work where the machine's disk lies on a file system without setuid, and
a real `sudo` would belong to a root that does not exist in the machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path


class SudoServer:
    """Listens at `path`; runs what is asked with the asker's terminal, as root, with a clean PATH."""

    def __init__(self, path: Path, search_path: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._search_path = search_path
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        path.chmod(0o666)
        self._listener.listen(16)
        self._asking: dict[int, socket.socket] = {}
        self._running: dict[int, socket.socket] = {}

    def watched(self) -> list[int]:
        """The descriptors to wait for."""
        askers = [line.fileno() for line in self._running.values()]
        return [self._listener.fileno(), *self._asking, *askers]

    def serve(self, ready: Sequence[int | socket.socket]) -> None:
        """Deal with the descriptors in `ready`."""
        for process, line in list(self._running.items()):
            if line.fileno() in ready:
                # The asker is gone (Ctrl-C): its command is not to go on without it.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process, signal.SIGTERM)
                self._running.pop(process).close()
        for number in [number for number in self._asking if number in ready]:
            self._begin(self._asking.pop(number))
        if self._listener.fileno() in ready:
            line, _ = self._listener.accept()
            self._asking[line.fileno()] = line

    def ended(self, process: int, code: int) -> None:
        """`process` has ended; tell who asked for it."""
        line = self._running.pop(process, None)
        if line is not None:
            with contextlib.suppress(OSError):
                line.send(str(code if code >= 0 else 128 - code).encode())
            line.close()

    def _begin(self, line: socket.socket) -> None:
        try:
            said, fds, _, _ = socket.recv_fds(line, 65536, 3)
            request = json.loads(said)
            environment = {
                "PATH": self._search_path,
                "HOME": "/root",
                "USER": "root",
                "LOGNAME": "root",
                "SHELL": "/bin/bash",
                "LANG": "C.UTF-8",
                "TERM": str(request["term"]),
            }
            argv = [str(word) for word in request["argv"]]
            process = spawn(argv, environment, cwd=str(request["cwd"]), fds=tuple(fds))
        except (OSError, ValueError, KeyError, TypeError):
            line.close()
            return
        for fd in fds:
            os.close(fd)
        self._running[process] = line


def spawn(
    argv: Sequence[str], environment: Mapping[str, str], *, cwd: str, fds: Sequence[int | None]
) -> int:
    """Start `argv` in a session of its own; its process id. init reaps it, so no `Popen`.

    `fds` become its standard input, output and error; None is /dev/null.
    """
    process = os.fork()
    if process:
        return process
    try:
        os.setsid()
        for number in range(1, signal.NSIG):
            with contextlib.suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        null = os.open("/dev/null", os.O_RDWR)
        kept = [os.dup(null if fd is None else fd) for fd in fds]
        for number, fd in enumerate(kept):
            os.dup2(fd, number)
        os.closerange(3, 256)
        os.chdir(cwd)
        os.execvpe(argv[0], list(argv), dict(environment))  # noqa: S606  (no shell is wanted)
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)

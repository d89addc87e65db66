"""Machines of cardboard: hundreds of them in one process, for load and for faults.

Each has its address, its volumes, and an agent that speaks the whole protocol; but no disk of its
own, no shell, and a single-user server that only says who it is (`machine_stub_server`). All live
in one child process, so that they do not compete with the emulated API for this one's interpreter.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path

from gpuspawner.emulator.machine_disk import read_console
from gpuspawner.emulator.machine_image import PACKAGE

_ANSWER_SECONDS = 60.0
_END_SECONDS = 10.0
_CRASHED = "the process that plays the machines has ended; stubs.log beside them says why"


class StubHost:
    """Plays the machines below `root`; safe to call from any thread.

    Args:
        root: a folder for what the machines keep, and their consoles.
        on_power: called from a thread with the machine's id and `poweroff` when it has powered off
            by itself, or `crashed` when the process that plays them all has ended.

    Raises:
        OSError: the process cannot be started.
    """

    def __init__(self, root: Path, on_power: Callable[[str, str], None]) -> None:
        self._root = root.absolute()
        self._root.mkdir(parents=True, exist_ok=True)
        self._on_power = on_power
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._awaited: dict[int, Future[None]] = {}
        self._on: set[str] = set()
        self._closing = False
        self._crashed = False
        with (self._root / "stubs.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"{__package__}.machine_stub_process", str(self._root)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd="/",
                env={"PYTHONPATH": str(PACKAGE.parent), "PATH": os.defpath},
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read, name="stub machines", daemon=True)
        self._reader.start()

    @property
    def separation(self) -> str:
        """In a sentence: what is kept apart, and what is not."""
        return (
            "The machines are stubs that share one process: there is no shell in them, and nobody "
            "is asked to log in."
        )

    def behave(self, machine_id: str, behaviour: str) -> None:
        """How the machine behaves from now on, or from its next boot on; waits for nothing."""
        self._say({"do": "behave", "machine": machine_id, "behaviour": behaviour})

    def boot(
        self, machine_id: str, *, address: str, user_data: bytes, volumes: Mapping[str, Path]
    ) -> None:
        """Boot the machine, for the first time or again; returns when it is booting.

        The controller tells it the `address`, as it tells a real one.

        Raises:
            ValueError: it is running.
            OSError, TimeoutError: the process that plays the machines has ended, or hangs.
        """
        del address
        with self._lock:
            if machine_id in self._on:
                raise ValueError(f"{machine_id} is running")
            self._on.add(machine_id)
        self._ask(
            {
                "do": "boot",
                "machine": machine_id,
                "user_data": user_data.decode(),
                "volumes": {name: str(path.absolute()) for name, path in volumes.items()},
            }
        )

    def attach(self, machine_id: str, volume_id: str, folder: Path) -> None:
        """Attach a volume while the machine runs."""
        place = str(folder.absolute())
        self._ask({"do": "attach", "machine": machine_id, "volume": volume_id, "folder": place})

    def detach(self, machine_id: str, volume_id: str) -> None:
        """Detach a volume; an unknown one is detached already."""
        self._ask({"do": "detach", "machine": machine_id, "volume": volume_id})

    def power_off(self, machine_id: str, *, timeout: float = 10) -> None:
        """Have the machine go down; it needs no time for it."""
        del timeout
        with self._lock:
            self._on.discard(machine_id)
        self._ask({"do": "power_off", "machine": machine_id})

    def reboot(self, machine_id: str) -> None:
        """Have the machine go down and boot again."""
        self._ask({"do": "reboot", "machine": machine_id})

    def destroy(self, machine_id: str) -> None:
        """End the machine and remove what it kept; its volumes stay."""
        with self._lock:
            self._on.discard(machine_id)
        self._ask({"do": "destroy", "machine": machine_id})
        shutil.rmtree(self._root / machine_id, ignore_errors=True)

    def console(self, machine_id: str) -> str:
        """What the machine has written so far, the last 64 KiB of it."""
        return read_console(self._root / machine_id)

    def close(self) -> None:
        """End every machine: their process ends when its input does. Safe to call again."""
        with self._lock:
            self._closing = True
            if self._process.stdin is not None:
                with contextlib.suppress(OSError):
                    self._process.stdin.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._reader is not threading.current_thread():
            self._reader.join()

    def _ask(self, said: Mapping[str, object]) -> None:
        """Say it, and wait until it is done.

        Raises:
            OSError, TimeoutError: the process has ended, or hangs.
        """
        done: Future[None] = Future()
        number = next(self._numbers)
        with self._lock:
            if self._crashed:
                raise OSError(_CRASHED)
            if self._closing:
                return
            self._awaited[number] = done
        self._say({**said, "number": number})
        done.result(_ANSWER_SECONDS)

    def _say(self, said: Mapping[str, object]) -> None:
        line = json.dumps(said).encode() + b"\n"
        with self._lock, contextlib.suppress(BrokenPipeError, ValueError):
            # What is not heard because the process has ended, `_read` answers for.
            if self._process.stdin is not None:
                self._process.stdin.write(line)
                self._process.stdin.flush()

    def _read(self) -> None:
        """Hear what the machines' process says, until it ends."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            if "off" in said:
                with self._lock:
                    self._on.discard(said["off"])
                self._on_power(said["off"], "poweroff")
                continue
            with self._lock:
                done = self._awaited.pop(said["done"], None)
            if done is not None:
                done.set_result(None)
        self._process.stdout.close()
        self._ended()

    def _ended(self) -> None:
        with self._lock:
            awaited, on, meant = list(self._awaited.values()), sorted(self._on), self._closing
            self._crashed = not meant
            self._awaited.clear()
            self._on.clear()
        for done in awaited:
            if meant:
                done.set_result(None)
            else:
                done.set_exception(OSError(_CRASHED))
        for machine_id in [] if meant else on:
            self._on_power(machine_id, "crashed")

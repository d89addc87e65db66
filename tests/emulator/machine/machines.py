"""What the machine tests share: a host, a controller, and a machine to talk to."""

from __future__ import annotations

import dataclasses
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gpuspawner.emulator.machine import MachineHost
from gpuspawner.emulator.machine_image import Image, host_image
from tests.agent.fake_controller import FakeController, orders

HERE = Path(__file__).parent
PORT = 18888
VOLUME = "vol-0123456789abcdef0"
DEVICE = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0123456789abcdef0"


class World:
    """A host with the events it told, and what to clean up."""

    def __init__(self, folder: Path, *, image: Image, namespaces: bool) -> None:
        self.folder = folder
        self.events: list[tuple[str, str]] = []
        self.changed = threading.Condition()
        self.image = image
        self._others = descendants(os.getpid())
        self.host = MachineHost(
            folder / "machines", self._on_power, image=image, namespaces=namespaces
        )
        self.controllers: list[FakeController] = []

    def processes(self) -> set[Process]:
        """What runs because of this host. What an earlier test has left to us is not its doing."""
        return descendants(os.getpid()) - self._others

    def _on_power(self, machine: str, event: str) -> None:
        with self.changed:
            self.events.append((machine, event))
            self.changed.notify_all()

    def wait_for(self, event: tuple[str, str]) -> None:
        with self.changed:
            self.changed.wait_for(lambda: event in self.events, 30)
        assert event in self.events, self.host.console(event[0])

    def volume(self, name: str = VOLUME) -> Path:
        folder = self.folder / "volumes" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def machine(self, name: str = "i-1", **changes: Any) -> Student:
        controller = FakeController()
        self.controllers.append(controller)
        address = own_address(len(self.controllers))
        stub = [self.image.python, str(self.stub)]
        controller.orders = orders(
            command=stub, address=address, port=PORT, home={"device": DEVICE}, **changes
        )
        return Student(self, name, address, controller)

    @property
    def stub(self) -> Path:
        plain = self.host._how.mode == "plain"
        return (
            self.folder / "tools" / "stub_server.py" if plain else Path("/srv/stub/stub_server.py")
        )

    def close(self) -> None:
        self.host.close()
        for controller in self.controllers:
            controller.close()


class Student:
    """One machine, its controller, and somebody at its terminal."""

    def __init__(self, world: World, name: str, address: str, controller: FakeController) -> None:
        self.world = world
        self.name = name
        self.address = address
        self.controller = controller

    def boot(self, **volumes: Path) -> None:
        attached = volumes or {VOLUME: self.world.volume()}
        self.world.host.boot(
            self.name, address=self.address, user_data=self.controller.user_data, volumes=attached
        )

    def wait_for(self, what: Callable[[FakeController], Any]) -> Any:
        try:
            return self.controller.wait_for(what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.console}") from None

    def wait_until_up(self, times: int = 1) -> None:
        self.wait_for(lambda c: c.stages.count("up") >= times or "failed" in c.stages)
        assert "failed" not in self.controller.stages, (self.controller.reports, self.console)

    @property
    def console(self) -> str:
        return self.world.host.console(self.name)

    def type(self, command: str) -> dict[str, Any]:
        """What a command typed in a terminal says; empty when the machine goes down meanwhile."""
        line = http.client.HTTPConnection(self.address, PORT, timeout=20)
        try:
            line.request("POST", "/", command.encode())
            return json.loads(line.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError):
            return {}
        finally:
            line.close()

    def says(self, command: str) -> str:
        done = self.type(command)
        assert done.get("code") == 0, done
        return done["out"].strip()


def own_address(number: int) -> str:
    """A loopback address that two test runs on one computer do not share."""
    process = os.getpid()
    return f"127.{16 + process % 200}.{process // 200 % 250}.{number}"


def world_apart(folder: Path) -> World:
    """With the best separation that the kernel allows whoever runs the tests."""
    return World(folder, image=host_image({"/srv/stub": HERE}), namespaces=True)


def world_of_everybody(folder: Path, *, namespaces: bool) -> World:
    """With a Python that an unprivileged user can run, which may not have us installed."""
    tools = folder / "tools"
    tools.mkdir()
    python = everybodys_python()
    agent = tools / "gpuspawner-agent"
    agent.write_text(
        f"#!{python}\nfrom gpuspawner.agent.__main__ import main\nraise SystemExit(main())\n"
    )
    agent.chmod(0o755)
    shutil.copy(HERE / "stub_server.py", tools)
    image = host_image({"/srv/stub": tools})
    path = ("/srv/stub",) if namespaces else (str(tools),)
    image = dataclasses.replace(image, python=python, path=path)
    return World(folder, image=image, namespaces=namespaces)


def everybodys_python() -> str:
    """A Python (3.10 or newer) that an unprivileged user can run."""
    probe = "import sys; sys.exit(sys.version_info < (3, 10))"
    user = 65534 if os.geteuid() == 0 else None
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        try:
            done = subprocess.run(
                [python, "-c", probe], check=False, user=user, cwd="/", capture_output=True
            )
        except OSError:
            continue
        if done.returncode == 0:
            return python
    raise AssertionError("no Python that an unprivileged user can run")


Process = tuple[int, int]
"""A process id, and the moment at which it started, so that no later one is taken for it."""


def descendants(ancestor: int) -> set[Process]:
    """Every process that descends from `ancestor`, machines' processes included."""
    table = dict(_table())
    found: set[int] = set()
    newer = {ancestor}
    while newer:
        newer = {pid for pid, (parent, _) in table.items() if parent in newer} - found
        found |= newer
    return {(pid, table[pid][1]) for pid in found}


def alive(processes: set[Process]) -> set[Process]:
    """Those of `processes` that have not ended."""
    return processes & {(pid, start) for pid, (_, start) in _table()}


def _table() -> list[tuple[int, tuple[int, int]]]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if fields[0] != "Z":
                found.append((int(folder.name), (int(fields[1]), int(fields[19]))))
    return found


def wait_until(what: Callable[[], Any], seconds: float = 20) -> None:
    """Look again and again until `what` is true."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it never came true"
        threading.Event().wait(0.02)


def listening(address: str) -> bool:
    """Whether a single-user server answers at `address`."""
    with socket.socket() as line:
        return line.connect_ex((address, PORT)) == 0


def run_as_nobody(folder: Path, script: str) -> str:
    """What `script` prints when an unprivileged user runs it; it finds an own `folder`."""
    folder.chmod(0o777)
    head = (
        "from pathlib import Path\nfrom tests.emulator.machine.machines import *\n"
        f"folder = Path({str(folder / 'nobody')!r})\nfolder.mkdir()\n"
    )
    done = subprocess.run(
        [everybodys_python(), "-c", head + textwrap.dedent(script)],
        check=False,
        user=65534,
        group=65534,
        extra_groups=[],
        cwd=HERE.parents[2],
        env={"PYTHONDONTWRITEBYTECODE": "1", "PATH": os.environ["PATH"], "HOME": "/tmp"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()

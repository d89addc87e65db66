"""A machine that is a folder: fake commands on the PATH, a clock turned by hand, a controller."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gpuspawner.agent.api import Api
from gpuspawner.agent.boot import KEY, machine_key
from gpuspawner.agent.commands import COMMANDS
from gpuspawner.agent.machine import Agent, Phase
from tests.agent.fake_controller import FakeController, orders
from tests.ports import free_port

STUB = Path(__file__).parents[1] / "emulator" / "machine" / "stub_server.py"
DEVICE = "/dev/disk/by-id/home"

FAKE = """#!/bin/sh
echo "$(basename "$0") $*" >> "{log}"
for last; do :; done
case "$(basename "$0")" in
    blkid) cat "{state}/filesystem" 2>/dev/null && exit 0; exit "$(cat "{state}/blkid" 2>/dev/null || echo 2)" ;;
    mkfs.ext4) echo ext4 > "{state}/filesystem" ;;
    mount) touch "{state}/mounted" ;;
    mountpoint) test -e "{state}/mounted" ;;
    umount) rm "{state}/mounted" ;;
    id) test -e "{state}/user" ;;
    useradd) touch "{state}/user" ;;
    setpriv) while [ "$1" != -- ]; do shift; done; shift; exec "$@" ;;
esac
"""


class HandClock:
    """A clock that moves only when it is waited on, or turned."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.woken = False

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def wake(self) -> None:
        self.woken = True


class FolderMachine:
    """A machine in a folder, with the commands it was asked for and levers for what they find."""

    def __init__(self, root: Path, controller: FakeController) -> None:
        self.root = root
        self.controller = controller
        self.clock = HandClock()
        self.state = root / "state"
        self.state.mkdir()
        self.device = root / DEVICE.lstrip("/")
        self.device.parent.mkdir(parents=True)
        self.device.write_bytes(bytes(4096))
        self.log = root / "commands.log"
        self.log.touch()
        self.bin = root / "bin"
        self.bin.mkdir()
        for name in COMMANDS:
            command = self.bin / name
            command.write_text(FAKE.format(log=self.log, state=self.state))
            command.chmod(0o755)
        self.agents: list[Agent] = []

    @property
    def commands(self) -> list[str]:
        """The names of the commands that were run, with their arguments."""
        return self.log.read_text().replace(str(self.root), "").replace(" \n", "\n").splitlines()

    def ran(self, name: str) -> list[str]:
        return [line for line in self.commands if line.split()[0] == name]

    def start(self) -> Agent:
        """An agent as at a boot, or after it was restarted."""
        key = machine_key(self.root / KEY)
        api = Api(self.controller.url, timeout=5)
        ticket = self.controller.ticket
        agent = Agent(self.root, ticket, key, api=api, clock=self.clock)
        self.agents.append(agent)
        return agent

    def up(self) -> Agent:
        """An agent whose server answers."""
        agent = self.start()
        self.until(agent, lambda: agent.phase is Phase.UP)
        return agent

    def server(self, agent: Agent) -> int:
        """The process of the server that the agent runs."""
        assert agent._session is not None
        assert agent._session.server._process is not None
        return agent._session.server._process.pid

    def until(self, agent: Agent, what: Callable[[], Any], steps: int = 2000) -> None:
        """Step the agent until `what` is true; time flies, but a real server needs real time."""
        for _ in range(steps):
            if what():
                return
            wait = agent.step()
            self.clock.now += min(wait, 5.0)
            if agent.phase.name == "SERVER":
                self.controller.changed.acquire()
                self.controller.changed.wait(0.02)
                self.controller.changed.release()
        raise AssertionError(f"{agent.phase} {self.controller.reports} {self.commands}")

    def session(self) -> dict[str, Any]:
        return dict(json.loads((self.root / "run/gpuspawner/session.json").read_text()))


@pytest.fixture
def controller() -> Iterator[FakeController]:
    fake = FakeController()
    yield fake
    fake.close()


@pytest.fixture
def machine(
    tmp_path: Path, controller: FakeController, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FolderMachine]:
    machine = FolderMachine(tmp_path, controller)
    monkeypatch.setenv("PATH", f"{machine.bin}:{os.environ['PATH']}")
    controller.orders = orders(command=[sys.executable, str(STUB)], port=free_port())
    yield machine
    for agent in machine.agents:
        agent._close()

"""What a test asks the demo from outside: as an admin, as the emulated cloud's owner, as `ps`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tests.ports import free_base

BASES, PORTS = range(30000, 31000, 100), (0, 1, 10, 20, 30, 81)
"""Of the demo. With these bases its machines have the networks 127.240 to 127.249, which no other
tests use."""

TOKEN = "e2e-admin-token"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def wait_until(true: Callable[[], Any], seconds: float, world: Callable[[], str]) -> Any:
    """What `true` answers once it is true. Looks, rather than sleeps; fails with the world."""
    end = time.monotonic() + seconds
    while True:
        found = true()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {true}\n{world()}")
        time.sleep(0.2)


@dataclass
class Classroom:
    """A demo that runs."""

    base: int
    token: str
    folder: Path
    process: subprocess.Popen[bytes]
    provider: str = "ec2"

    @property
    def emulator_url(self) -> str:
        """Where the emulated cloud is asked about itself."""
        return f"http://127.0.0.1:{self.base + (30 if self.provider == 'azure' else 20)}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.base}"

    def is_open(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the demo has ended\n{self.world()}")
        return "is running at" in (self.folder / "demo.log").read_text()

    def hub(self, method: str, path: str, body: Any = None) -> Any:
        """The hub's REST API, as an admin."""
        return self._ask(method, f"{self.url}/hub/api/{path}", body, f"token {self.token}")

    def forgets(self, user: str) -> None:
        """Delete a user as an admin does: while JupyterHub says that the server is still stopping
        (after its `slow_stop_timeout` of 10 s), ask again."""

        def gone() -> bool:
            try:
                self.hub("DELETE", f"users/{user}")
            except AssertionError as refusal:
                if "in the process of stopping" not in str(refusal):
                    raise
                return False
            return True

        wait_until(gone, 60, self.world)

    def cloud(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """The emulator's own interface."""
        return self._ask(method, f"{self.emulator_url}/_emulator/{path}", body)

    def status(self) -> Any:
        """What `gpuspawner status --json` prints."""
        return json.loads(self.command("status", "--json"))

    def command(self, *words: str, config: bool = True) -> str:
        """Run a command for admins against the demo."""
        where = Path(__file__).parents[2] / "hub_config" / "demo" / "jupyterhub_config.py"
        environment = {
            **os.environ,
            "DEMO_DIR": str(self.folder),
            "DEMO_PORT_BASE": str(self.base),
            "DEMO_CLOUD": self.provider,
            "DEMO_SEED": json.dumps(self.cloud("seed")),
        }
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "gpuspawner.cli",
                *words,
                *(["--config", str(where)] if config else []),
            ],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def claim(self, user: str, server: str = "") -> dict[str, Any] | None:
        for claim in self.status()["claims"]:
            if (claim["owner"]["user_name"], claim["owner"]["server_name"]) == (user, server):
                return claim
        return None

    def machines(self, claim: str | None = None) -> list[dict[str, Any]]:
        """The instances that AWS would show, without terminated ones."""
        return [
            one
            for one in self.cloud("machines")["machines"]
            if one["state"] not in ("terminated", "deleted")
            and claim in (None, one["tags"].get("gpuspawner:claim"))
        ]

    def machine(self, user: str, server: str = "") -> dict[str, Any] | None:
        claim = self.claim(user, server)
        found = self.machines(claim["name"]) if claim else []
        assert len(found) <= 1, found
        return found[0] if found else None

    def becomes(
        self, user: str, state: str, server: str = "", seconds: float = 60
    ) -> dict[str, Any]:
        """Wait until the user's instance is in `state`."""

        def there() -> Any:
            machine = self.machine(user, server)
            return machine if machine and machine["state"] == state else None

        return wait_until(there, seconds, self.world)

    def homes(self, claim: str) -> list[dict[str, Any]]:
        return [home for home in self.status()["homes"] if home["claim"] == claim]

    def processes_left(self) -> list[str]:
        """The command lines of whatever still runs with the demo's folder or ports."""
        marks = (str(self.folder), f"DEMO_PORT_BASE={self.base}")
        left = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    about = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                except OSError:
                    continue
                if any(mark.encode() in about for mark in marks):
                    left.append(about[:200].decode(errors="replace"))
        return left

    def world(self) -> str:
        """Everything that helps to see why a test failed."""
        parts = [
            f"== {name}\n" + _tail(self.folder / name)
            for name in ("demo.log", "hub.log", "emulator.log")
        ]
        try:
            parts.append("== machines\n" + json.dumps(self.cloud("machines"), indent=1)[-4000:])
        except (URLError, OSError):
            parts.append("== the emulator does not answer")
        return "\n".join(parts)

    def _ask(self, method: str, url: str, body: Any = None, authorization: str = "") -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(url, method=method, data=data)
        request.add_header("Content-Type", "application/json")
        if authorization:
            request.add_header("Authorization", authorization)
        try:
            with urlopen(request, timeout=60) as answer:
                text = answer.read()
        except HTTPError as error:
            with error:
                raise AssertionError(
                    f"{method} {url}: {error.code} {error.read()[:2000]!r}"
                ) from error
        return json.loads(text) if text else None


def _tail(path: Path, lines: int = 60) -> str:
    if not path.exists():
        return "(none)"
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


@contextmanager
def opened(folder: Path, cloud: str = "ec2", **given: str) -> Iterator[Classroom]:
    """A demo that runs, with these variables; afterwards not one of its processes may be left."""
    base = free_base(BASES, PORTS)
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("JUPYTERHUB_")},
        "DEMO_DIR": str(folder),
        "DEMO_PORT_BASE": str(base),
        "DEMO_ADMIN_TOKEN": TOKEN,
        "PYTHONUNBUFFERED": "1",
        **given,
    }
    log = (folder / "demo.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "gpuspawner.cli", "demo", "--cloud", cloud],
        stdout=log,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    )
    room = Classroom(base, TOKEN, folder, process, cloud)
    try:
        wait_until(room.is_open, 90, room.world)
        yield room
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        log.close()
    assert process.returncode == 0
    assert room.processes_left() == []

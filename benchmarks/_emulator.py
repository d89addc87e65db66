"""An emulated cloud without a campus, for who asks it with nothing but its SDK."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from _crowd import BOOT_SECONDS, STOP_SECONDS


class Emulator:
    """The same as a campus has, with the cloud's documented token buckets. `cloud` is `ec2` or `arm`."""

    def __init__(self, cloud: str, folder: Path) -> None:
        command = [
            *(sys.executable, "-m", "gpuspawner.cli", "emulator", cloud, "--port", "0"),
            *("--machines", "stub", "--state", str(folder), "--network", "127.19", "--throttle"),
            *("--boot-seconds", str(BOOT_SECONDS), "--stop-seconds", str(STOP_SECONDS)),
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        said: dict[str, Any] = json.loads(self._process.stdout.readline())
        self.url: str = said["url"]
        self.authority: str | None = said.get("authority")
        self.seed: dict[str, Any] = said["seed"]
        self.pid = self._process.pid

    def __enter__(self) -> Emulator:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def ask(self, path: str, method: str, body: Any = None) -> Any:
        """Its own interface, which is plain HTTP."""
        data = None if body is None else json.dumps(body).encode()
        url = f"{self.url.replace('https', 'http')}/_emulator/{path}"
        with urlopen(Request(url, data=data, method=method), timeout=60) as answer:
            return json.load(answer)

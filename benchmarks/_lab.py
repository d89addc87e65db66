"""JupyterLab servers to be measured, with the tests' own driver in the place of NVIDIA's."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from _common import ROOT

sys.path.insert(0, str(ROOT))

from tests import driver
from tests.end_to_end.classroom import wait_until

TOKEN = "a-token"


@contextmanager
def server(
    folder: Path, card: driver.Driver, *options: str, extension: bool = True
) -> Iterator[tuple[int, str]]:
    """A JupyterLab with these options; its process and its address."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    root = folder / f"{port}"
    root.mkdir()
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(card.folder),
        "JUPYTER_CONFIG_DIR": str(root),
        "GPUSPAWNER_SENSORS_FILE": str(root / "sensors.json"),
        "GPUSPAWNER_SESSION_FILE": str(root / "session.json"),
    }
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}",
        f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={root}",
        f"--ServerApp.jpserver_extensions={{'labs_extension': {extension}}}", *options,
    ]  # fmt: skip
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}/"
    try:
        wait_until(lambda: answers(url), 240, (root / "log").read_text)
        yield process.pid, url
    finally:
        process.terminate()
        process.wait(30)


def answers(url: str, path: str = "api", body: dict[str, Any] | None = None) -> bool:
    """Ask without being counted as activity."""
    request = Request(
        f"{url}{path}?no_track_activity=1",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"token {TOKEN}"},
    )
    try:
        with urlopen(request, timeout=10) as answer:
            return bool(answer.read() or True)
    except OSError:
        return False

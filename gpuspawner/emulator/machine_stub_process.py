"""The process in which all stub machines live: `python -m … ROOT`.

It is told what to do by JSON lines on its standard input, one after the other, and answers
`{"done": number}` for each that has a number; `{"off": id}` says that a machine has powered off by
itself. When the input ends, because the emulator has, everything ends at once.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import aiohttp

from gpuspawner.emulator.machine_stub_box import Box
from gpuspawner.emulator.machine_stub_wire import TIMEOUT_SECONDS

_KEPT_OPEN_SECONDS = 4.0
"""Shorter than the five seconds for which common proxies keep a connection, so that it is we who
close it and no request meets a closing door."""

_LONGEST_LINE = 1 << 20


class Rack:
    """All machines of the process."""

    def __init__(self, root: Path, http: aiohttp.ClientSession) -> None:
        self._root = root
        self._http = http
        self._hub = _hub_version()
        self._boxes: dict[str, Box] = {}
        self._behaviours: dict[str, str] = {}

    async def obey(self, said: dict[str, Any]) -> None:
        """Carry out one line."""
        machine_id = str(said["machine"])
        if said["do"] == "behave":
            self._behaviours[machine_id] = said["behaviour"]
        if said["do"] == "boot":
            volumes = {name: Path(folder) for name, folder in said["volumes"].items()}
            box = self._boxes[machine_id] = Box(
                self._root / machine_id,
                said["user_data"],
                volumes,
                http=self._http,
                hub=self._hub,
                on_off=lambda: _say({"off": machine_id}),
            )
            box.boot(self._behaviours.get(machine_id, "well"))
        elif (found := self._boxes.get(machine_id)) is not None:
            await self._change(found, machine_id, said)

    async def _change(self, box: Box, machine_id: str, said: dict[str, Any]) -> None:
        what = said["do"]
        if what == "behave":
            box.behave(said["behaviour"])
        elif what == "attach":
            box.volumes[said["volume"]] = Path(said["folder"])
        elif what == "detach":
            box.volumes.pop(said["volume"], None)
        else:
            was_on = await box.power_off()
            if what == "destroy":
                del self._boxes[machine_id]
                self._behaviours.pop(machine_id, None)
            elif what == "reboot" and was_on:
                box.boot(self._behaviours.get(machine_id, "well"))


async def run(root: Path) -> None:
    """Obey until the input ends."""
    lines = asyncio.StreamReader(limit=_LONGEST_LINE)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEPT_OPEN_SECONDS)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        rack = Rack(root, http)
        while line := await lines.readline():
            said = json.loads(line)
            await rack.obey(said)
            if "number" in said:
                _say({"done": said["number"]})


def main() -> int:
    """Play machines until told no more."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(run(Path(sys.argv[1])))
    return 0


def _say(said: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def _hub_version() -> str:
    """What a single-user server of this environment says of itself in a header."""
    try:
        return version("jupyterhub")
    except PackageNotFoundError:
        return ""


if __name__ == "__main__":
    raise SystemExit(main())

"""Heartbeats of a thousand machines at one controller: what they cost it, and how long a machine waits.

Each machine says every ten seconds what it sees, as the agent does, evenly spread, while the
controller does all it does otherwise: it looks at every session, and writes down what it must. The
machines are another process, so that the processor time is the controller's alone. The latency is
what a machine measures, from the request to the whole answer.

Usage: python benchmarks/heartbeats.py [--machines N] [--seconds S] [JSON-FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import sys
import tempfile
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
from _common import peak_mib, quantile, table, write
from _school import IMAGE, REGION, SIZES, ZONES, claims, fill
from sqlalchemy import insert
from tornado.testing import bind_unused_port

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from gpuspawner.app import Controller
from gpuspawner.clock import SystemClock
from gpuspawner.identity import Identity
from gpuspawner.model import Claim, Desired
from gpuspawner.settings import AgentRecord, Credit
from gpuspawner.settings.whole import Settings
from gpuspawner.store import schema
from gpuspawner.store.database import Database
from gpuspawner.testing import FakeProvider
from gpuspawner.web.application import application, http_server
from tests.controllers.stage import record

EVERY = 10.0
IDENTITY = Identity(b"0" * 32)
KEY = "a" * 64
WARM_UP = 5.0
"""Seconds that are not counted."""


def facts(number: int) -> dict[str, Any]:
    """What one machine sees, as large as it is in class."""
    return {
        "cpu_percent": 12.5, "memory_percent": 40.1, "home_percent": 3.2, "disk_percent": 41.0,
        "gpus": [{
            "name": "Tesla T4", "percent": 87.0 * (number % 2), "mean_5min": 80.0 * (number % 2),
            "max_5min": 99.0, "memory_mib": 9120, "memory_total_mib": 15360,
        }],
        "processor": {"student_percent_5min": 31.0, "terminal_child": False},
        "ssh": {"sessions": 0, "input_age": None},
        "server": {
            "version": 1, "server": "9f2c41d07a55", "sequence": 214, "human_age": 12.0,
            "human_kind": "cell", "kernels": {"count": 2, "busy": 1, "busy_age": 310.2},
            "output_age": 0.4, "terminals": 1, "tabs": {"open": 1, "visible": 1, "closed_age": None},
            "unsaved": 0, "saved": None,
        },
        "server_age": 3.0,
    }  # fmt: skip


def intent(number: int) -> str:
    """The attempt that made a machine."""
    return f"intent-{number}"


def token(number: int) -> str:
    """What a machine shows."""
    key_hash = hashlib.sha256(KEY.encode()).hexdigest()
    return f"{IDENTITY.machine_id(intent(number), key_hash)}.{KEY}"


async def machines(url: str, count: int, seconds: float) -> dict[str, list[float]]:
    """All of them, each at its own moment; the seconds that each answer took after the warm-up."""
    took: list[float] = []
    refused: list[float] = []
    began = time.monotonic()
    connector = aiohttp.TCPConnector(limit=0, force_close=True)  # the agent keeps none open
    async with aiohttp.ClientSession(connector=connector) as session:

        async def beat(number: int) -> None:
            sequence = 0
            await asyncio.sleep(EVERY * number / count)
            while (at := time.monotonic()) - began < seconds + WARM_UP:
                sequence += 1
                body = {
                    "generation": 1, "boot_id": f"boot-{number}", "sequence": sequence,
                    "server": "running", "facts": facts(number),
                }  # fmt: skip
                headers = {"Authorization": f"Bearer {token(number)}"}
                async with session.post(url, json=body, headers=headers) as answer:
                    await answer.read()
                    if answer.status != 200:
                        refused.append(answer.status)
                if at - began >= WARM_UP:
                    took.append(time.monotonic() - at)
                await asyncio.sleep(max(0.0, at + EVERY - time.monotonic()))

        await asyncio.gather(*(beat(number) for number in range(count)))
    return {"took": took, "refused": refused}


def prepare(database: Database, some: list[Claim]) -> None:
    """Claims that run, and the keys of their machines."""
    fill(database, some)
    key_hash = hashlib.sha256(KEY.encode()).hexdigest()
    at = SystemClock().now()

    def keys(c: Any) -> None:
        c.execute(
            insert(schema.intents),
            [
                {
                    "id": intent(number), "claim": claim.name, "generation": 1, "region": REGION,
                    "zone": ZONES[0], "size": SIZES[0], "image": IMAGE, "disk_gib": 60,
                    "created_at": at, "state": "accepted", "machine_id": claim.machine_id,
                }
                for number, claim in enumerate(some)
            ],
        )  # fmt: skip
        c.execute(
            insert(schema.keys),
            [
                {"intent": intent(number), "key_hash": key_hash, "registered_at": at}
                for number in range(len(some))
            ],
        )

    asyncio.run(database.run(keys))


async def serve(database: Database, count: int, seconds: float) -> dict[str, Any]:
    """The controller, and the machines as a process of their own."""
    clock = SystemClock()
    settings = Settings(
        record(), AgentRecord(EVERY, 1800.0, 600.0), None, IDENTITY, Credit(enforce=False).record()
    )
    controller = Controller(settings, FakeProvider(clock, IDENTITY.hub_id), database, clock)
    socket, port = bind_unused_port()
    server = http_server(application(controller.services))
    server.add_socket(socket)
    rooms = [
        asyncio.create_task(controller._beats.run()),  # noqa: SLF001 - without its cloud
        asyncio.create_task(controller.culler.run()),
        asyncio.create_task(controller._refresh()),  # noqa: SLF001
    ]
    url = f"http://127.0.0.1:{port}/services/gpuspawner/api/v1/agent/heartbeat"
    child = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--at", url, "--machines", str(count), "--seconds", str(seconds),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    await asyncio.sleep(WARM_UP)
    used, began = time.process_time(), time.monotonic()
    said, _nothing = await child.communicate()
    used, began = time.process_time() - used, time.monotonic() - began
    for room in rooms:
        room.cancel()
    await asyncio.gather(*rooms, return_exceptions=True)
    server.stop()
    found = json.loads(said)
    looks = []
    for _ in range(3):
        at = time.process_time()
        await controller.culler.look()
        looks.append(time.process_time() - at)
    return {
        "beats": len(found["took"]),
        "refused": len(found["refused"]),
        "cpu_percent": 100 * used / began,
        "cpu_ms_per_beat": 1000 * used / max(1, len(found["took"])),
        "p50_ms": 1000 * quantile(found["took"], 0.5),
        "p99_ms": 1000 * quantile(found["took"], 0.99),
        "max_ms": 1000 * max(found["took"]),
        "look_cpu_ms": 1000 * min(looks),
        "modes": sorted({view.mode for _gen, view in controller.board.seen.sessions.values()}),
        "peak_mib": peak_mib(),
    }


def main() -> None:
    """Measure, print and write; or, with `--at`, be the machines."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--machines", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--at", help=argparse.SUPPRESS)
    parser.add_argument("file", nargs="?", help="where to write the JSON")
    given = parser.parse_args()
    if given.at:
        print(json.dumps(asyncio.run(machines(given.at, given.machines, given.seconds))))
        return
    now = SystemClock().now()
    some = [
        replace(
            one, desired=Desired.RUNNING, generation=1, reason=None, because=None,
            desired_at=now - timedelta(minutes=75), up_at=now - timedelta(minutes=70),
            machine_id=f"i-{number:017x}",
        )
        for number, one in enumerate(claims(given.machines))
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/gpuspawner.sqlite", IDENTITY.encryption_key)
        try:
            database.migrate()
            prepare(database, some)
            found = asyncio.run(serve(database, given.machines, given.seconds))
        finally:
            database.close()
    headers = ("machines", "beats", "refused", "CPU, %", "CPU a beat, ms", "p50, ms", "p99", "max")
    table(
        headers,
        [(
            str(given.machines), found["beats"], found["refused"], found["cpu_percent"],
            found["cpu_ms_per_beat"], found["p50_ms"], found["p99_ms"], found["max_ms"],
        )],
    )  # fmt: skip
    print(f"one look at all sessions: {found['look_cpu_ms']:.0f} ms of the processor")
    write(
        "heartbeats", {"machines": given.machines, "found": found}, packages=("tornado", "pydantic")
    )


if __name__ == "__main__":
    main()

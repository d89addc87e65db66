"""What our spawner costs the hub, against a spawner that does nothing, in the same run.

A real hub with its proxy and its database (in memory, if there is a tmpfs: a slow disk would hide
what is measured), N users, one request for a start each, all at once; each request is answered when
its server is ready. Beside it, in a process of its own, the real controller with a cloud in memory.
The empty spawner's start returns at once. The two take turns, each time in a new hub, and the
ratios are of neighbours in time.

Bounds: the hub uses at most 1.5 times the processor time of the empty spawner's, and the event loop
is never late by more than 100 ms because of us. What is ours of a late loop is looked up by a
thread that samples the loop's stack; it takes processor time, so it runs in rounds of its own.

Usage: python benchmarks/spawn_overhead.py [JSON-FILE, default build/benchmarks/spawn_overhead.json]
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
from _common import cpu_seconds, quantile, table, write

HERE = Path(__file__).resolve().parent
CLASSES = (50, 200)
ROUNDS, WATCHED = 3, 1
RATIO, LAG_MS = 1.5, 100.0
TOKEN = "benchmark-token"
WAIT = 300.0
CONFIG = """\
import sys
sys.path.insert(0, {here!r})
import _spawn_hub
_spawn_hub.configure(c, {said!r})
"""


def ports(many: int) -> list[int]:
    """Ports that are free now."""
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(many)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]


@contextlib.contextmanager
def running(command: list[str], folder: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process, until the end of the block; its output is in `NAME.log`."""
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield process
    except Exception:
        print((folder / f"{name}.log").read_text()[-5000:], file=sys.stderr)
        raise
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


async def answers(http: aiohttp.ClientSession, url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until `url` answers, for as long as there is the process that should."""
    end = time.monotonic() + WAIT
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(aiohttp.ClientError):
            async with http.get(url) as answer:
                if answer.status == 200:
                    return
        await asyncio.sleep(0.05)
    raise TimeoutError(f"nothing answers at {url}")


async def start_all(api: str, users: list[str], hub: int, watch: Path | None) -> dict[str, Any]:
    """Start everybody's server at once; what it took."""
    headers = {"Authorization": f"token {TOKEN}"}
    timeout = aiohttp.ClientTimeout(total=900)
    async with aiohttp.ClientSession(
        headers=headers, timeout=timeout, connector=aiohttp.TCPConnector(limit=0)
    ) as http:
        async with http.post(f"{api}/users", json={"usernames": users}) as answer:
            answer.raise_for_status()

        async def start(user: str) -> int:
            async with http.post(f"{api}/users/{user}/server", json={}) as answer:
                await answer.read()
                return answer.status

        if watch:
            os.kill(hub, signal.SIGUSR1)
        await asyncio.sleep(0.5)
        began, used = time.perf_counter(), cpu_seconds(hub)
        statuses = await asyncio.gather(*map(start, users))
        wall, cpu = time.perf_counter() - began, cpu_seconds(hub) - used
        if set(statuses) != {201}:
            raise RuntimeError(f"not every start was ready: {sorted(set(statuses))}")
        found: dict[str, Any] = {"wall_s": wall, "cpu_ms_each": cpu * 1000 / len(users)}
    if watch:
        os.kill(hub, signal.SIGUSR2)
        found |= await asyncio.to_thread(written, watch)
    return found


def written(file: Path) -> Any:
    """What is in a file that another process writes, once it has."""
    end = time.monotonic() + WAIT
    while not file.exists():
        if time.monotonic() > end:
            raise TimeoutError(f"{file} was not written")
        time.sleep(0.05)
    return json.loads(file.read_text())


async def once(kind: str, students: int, *, watch: bool) -> dict[str, Any]:
    """One hub, one class, one burst."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as name:
        folder = Path(name)
        public, hub_port, proxy_port, controller, server = ports(5)
        said = {
            "kind": kind,
            "watch": watch,
            "folder": name,
            "secret": f"{name}/secret",
            "token": TOKEN,
            "public_port": public,
            "hub_port": hub_port,
            "proxy_port": proxy_port,
            "controller_port": controller,
            "server_port": server,
        }
        config = folder / "jupyterhub_config.py"
        config.write_text(CONFIG.format(here=str(HERE), said=said))
        world = [
            sys.executable, str(HERE / "_spawn_world.py"),
            said["secret"], name, str(controller), str(server),
        ]  # fmt: skip
        hub = [sys.executable, "-m", "jupyterhub", "--config", str(config)]
        async with aiohttp.ClientSession() as http:
            with running(world, folder, "world") as controlling:
                url = f"http://127.0.0.1:{controller}/services/gpuspawner/health"
                await answers(http, url, controlling)
                with running(hub, folder, "hub") as process:
                    api = f"http://127.0.0.1:{hub_port}/hub/api"
                    await answers(http, api, process)
                    users = [f"student{number}" for number in range(students)]
                    seen = folder / "watch.json" if watch else None
                    found = await start_all(api, users, process.pid, seen)
    return {"kind": kind, "students": students, "watched": watch} | found


def row_of(students: int, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """What the runs of one class size say."""
    empty, ours = (
        [run for run in runs if run["kind"] == kind and run["students"] == students]
        for kind in ("empty", "ours")
    )
    cost = [[run["cpu_ms_each"] for run in some if not run["watched"]] for some in (empty, ours)]
    lags = [[run for run in some if run["watched"]] for some in (empty, ours)]
    late = [[lag for run in some for lag in run["lags"]] for some in lags]
    return {
        "students": students,
        "empty_cpu_ms": median(cost[0]),
        "ours_cpu_ms": median(cost[1]),
        "ratio": median(b / a for a, b in zip(*cost, strict=True)),
        "ratios": [b / a for a, b in zip(*cost, strict=True)],
        "empty_ready_s": median(run["wall_s"] for run in empty if not run["watched"]),
        "ours_ready_s": median(run["wall_s"] for run in ours if not run["watched"]),
        "empty_lags": len(late[0]),
        "ours_lags": len(late[1]),
        "empty_longest_ms": max((lag["ms"] for lag in late[0]), default=0.0),
        "ours_longest_ms": max((lag["ms"] for lag in late[1]), default=0.0),
        "ours_p99_ms": quantile([one * 1000 for run in lags[1] for one in run["lateness"]], 0.99),
        "because_of_us_ms": max((lag["ours_ms"] for lag in late[1]), default=0.0),
        "worst": sorted(late[1], key=lambda lag: -lag["ours_ms"])[:3],
    }


async def measure() -> list[dict[str, Any]]:
    """All runs, the two kinds by turns."""
    runs = []
    for number in range(ROUNDS + WATCHED):
        for students in CLASSES:
            for kind in ("empty", "ours") if number % 2 else ("ours", "empty"):
                runs.append(await once(kind, students, watch=number >= ROUNDS))
                print(".", end="", flush=True)
    print()
    return runs


def main() -> None:
    runs = asyncio.run(measure())
    rows = [row_of(students, runs) for students in CLASSES]
    table(
        ["", *(f"N = {row['students']}" for row in rows)],
        [
            [text, *(row[key] for row in rows)]
            for text, key in (
                ("hub's processor, empty spawner, ms a spawn", "empty_cpu_ms"),
                ("hub's processor, our spawner, ms a spawn", "ours_cpu_ms"),
                ("ratio, median of neighbours", "ratio"),
                ("all ready, empty spawner, s", "empty_ready_s"),
                ("all ready, our spawner, s", "ours_ready_s"),
                ("loop late by over 100 ms, times, empty", "empty_lags"),
                ("loop late by over 100 ms, times, ours", "ours_lags"),
                ("longest, empty, ms", "empty_longest_ms"),
                ("longest, ours, ms", "ours_longest_ms"),
                ("most of one lag because of our code, ms", "because_of_us_ms"),
            )
        ],
    )
    cheap = all(row["ratio"] <= RATIO for row in rows)
    smooth = all(row["because_of_us_ms"] <= LAG_MS for row in rows)
    print(f"at most {RATIO} times the empty spawner: {'yes' if cheap else 'NO'}")
    print(f"no lag over {LAG_MS:.0f} ms because of us: {'yes' if smooth else 'NO'}")
    for run in runs:
        run.pop("lateness", None)
    write(
        "spawn_overhead",
        {"rows": rows, "runs": runs, "kept": {"ratio": cheap, "lag": smooth}},
        packages=["jupyterhub", "aiohttp", "sqlalchemy", "tornado"],
    )


if __name__ == "__main__":
    main()

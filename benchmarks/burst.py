"""A class of 300 presses Start within two seconds; EC2 refuses whoever asks too often.

The emulated EC2 keeps to AWS's documented token buckets (--throttle). Once it is asked by a real
hub and controller with their default settings and stub machines, and once by the obvious spawner: a
thread for each student with an SDK call and an SDK waiter of its own, and boto3's defaults. The
first has more to do: its machines boot, get a home, serve, and are checked by the hub.

First starts are made by RunInstances, second starts of the same machines by StartInstances. The
account's vCPU quota is raised to what so many machines need; all else is as it is.

With CLOUD=azure the same on the emulated Azure and its documented token buckets; beside it are the
first starts of a thread for each student with the SDK's own poller, which asks for each machine.

Usage: [CLOUD=azure] python benchmarks/burst.py [--students 300] [JSON-FILE, default build/benchmarks/burst.json]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from _common import quantile, table, write
from _crowd import (
    BOOT_SECONDS,
    GPU_QUOTA,
    STOP_SECONDS,
    VCPUS,
    Crowd,
    Meter,
    Start,
    campus,
    end_gently,
    kinds,
)
from _emulator import Emulator
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

WITHIN = 2.0
ON_AZURE = os.environ.get("CLOUD") == "azure"
MOST_DESCRIBES = 80 if ON_AZURE else 40
"""Twenty looks a minute: of two calls on EC2, and of four lists on Azure, each with its further pages."""

Column = tuple[str, list[Start], Meter]


def ours(students: int, folder: Path) -> list[Column]:
    """First and second starts through the hub."""
    place = campus(folder, "--throttle")
    try:
        place.open()
        place.cloud("faults", _quotas(students))
        crowd = Crowd(place, [f"student{number:03}" for number in range(students)])
        crowd.enrol()
        processes = {name: process.pid for name, process in place.processes.items()}

        def ask(path: str, method: str) -> Any:
            return place.cloud(path, method=method)

        columns: list[Column] = []
        for name in ("ours, first", "ours, second"):
            with Meter(ask, processes) as meter:
                starts = crowd.start(WITHIN)
            columns.append((name, starts, meter))
            _tell(name, starts)
            if name == "ours, first":
                crowd.stop()
        return columns
    finally:
        place.close()


def naive(students: int, folder: Path) -> list[Column]:
    """The same with a thread, a call and a waiter for each student."""
    with Emulator("ec2", folder) as cloud:
        cloud.ask("faults", "POST", _quotas(2 * students))
        # Shared, since it is safe and dear to make; only its pool is larger than the default, so
        # that no student waits for another's connection.
        client = boto3.client(
            "ec2",
            endpoint_url=cloud.url,
            region_name="us-east-1",
            aws_access_key_id="any",
            aws_secret_access_key="any",
            config=Config(max_pool_connections=students),
        )
        wish = {
            "ImageId": cloud.seed["image"],
            "InstanceType": "g4dn.xlarge",
            "SubnetId": next(iter(cloud.seed["subnets"].values())),
        }

        def first(_number: int) -> str:
            answer = client.run_instances(MinCount=1, MaxCount=1, **wish)
            return str(answer["Instances"][0]["InstanceId"])

        columns = [_crowd("naive, first", students, client, first, cloud)]
        stopped = _stopped(students, client, wish, cloud)

        def second(number: int) -> str:
            client.start_instances(InstanceIds=[stopped[number]])
            return stopped[number]

        columns.append(_crowd("naive, second", students, client, second, cloud))
        return columns


def _crowd(
    name: str, students: int, client: Any, start: Callable[[int], str], cloud: Emulator
) -> Column:
    starts: list[Start] = []

    def student(number: int) -> None:
        time.sleep(WITHIN * number / students)
        pressed = time.monotonic()
        ready, said = False, ""
        try:
            client.get_waiter("instance_running").wait(InstanceIds=[start(number)])
            ready = True
        except (ClientError, BotoCoreError) as error:
            said = str(error)
        starts.append(Start(str(number), time.monotonic() - pressed, ready, said))

    threads = [threading.Thread(target=student, args=(number,)) for number in range(students)]
    with Meter(cloud.ask, {"cloud": cloud.pid}) as meter:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    _tell(name, starts)
    return name, starts, meter


def _stopped(students: int, client: Any, wish: dict[str, Any], cloud: Emulator) -> list[str]:
    """Machines that were used before, made while nobody was counting."""
    cloud.ask("faults", "POST", {"kind": "throttle", "on": False})
    found = client.run_instances(MinCount=students, MaxCount=students, **wish)["Instances"]
    ids = [str(one["InstanceId"]) for one in found]
    cloud.ask("clock", "POST", {"advance": BOOT_SECONDS})
    client.get_waiter("instance_running").wait(InstanceIds=ids)
    client.stop_instances(InstanceIds=ids)
    cloud.ask("clock", "POST", {"advance": STOP_SECONDS})
    client.get_waiter("instance_stopped").wait(InstanceIds=ids)
    cloud.ask("clock", "POST", {"advance": 3600})
    cloud.ask("faults", "POST", {"kind": "throttle", "on": True})
    return ids


def naive_azure(students: int, folder: Path) -> list[Column]:
    """The same on Azure, with the SDK's pollers; first starts only."""
    from _naive_azure import crowd  # noqa: PLC0415 - needs the extra `azure`

    starts, meter = crowd(students, folder, WITHIN, _quotas(students))
    _tell("naive, first", starts)
    return [("naive, first", starts, meter)]


def _quotas(machines: int) -> list[dict[str, Any]]:
    codes = ("cores", "standardNCASv3_T4Family") if ON_AZURE else (GPU_QUOTA,)
    return [{"kind": "quota", "code": code, "limit": VCPUS * machines} for code in codes]


def _tell(name: str, starts: list[Start]) -> None:
    """Say at once what did not work, and how often."""
    for said, count in Counter(one.said for one in starts if not one.ready).most_common(3):
        print(f"{name}: {count} × {said[:200]}", file=sys.stderr)


def _summary(column: Column) -> dict[str, Any]:
    name, starts, meter = column
    seconds = [one.seconds for one in starts if one.ready]
    return {
        "run": name,
        "students": len(starts),
        "ready": len(seconds),
        "throttled": sum(meter.throttled.values()),
        "describes_a_minute": meter.describes_a_minute,
        "p50": statistics.median(seconds) if seconds else None,
        "p95": quantile(seconds, 0.95) if seconds else None,
        "last": max(seconds, default=None),
        "seconds": meter.seconds,
        "calls": meter.calls,
        "throttled_by_kind": meter.throttled,
        "cpu_seconds": meter.cpu,
    }


def _print(columns: list[Column], rows: list[dict[str, Any]]) -> None:
    facts = {
        "students": "students",
        "ready": "ready",
        "throttled": "calls throttled",
        "describes_a_minute": "listings a minute, at most",
        "p50": "click to ready, median (s)",
        "p95": "95 % (s)",
        "last": "last (s)",
    }
    lines = [
        [words, *("–" if row[key] is None else row[key] for row in rows)]
        for key, words in facts.items()
    ]
    lines += [
        [kind, *(row["calls"].get(kind, 0) for row in rows)]
        for kind in kinds(meter for _, _, meter in columns)
    ]
    lines += [
        [f"CPU of {name} (s)", *(row["cpu_seconds"].get(name, "–") for row in rows)]
        for name in ("hub", "controller", "cloud")
    ]
    table(["", *(row["run"] for row in rows)], lines)


def main() -> int:
    """0 when our promise holds: everybody ready, nothing throttled, few listings."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--students", type=int, default=300)
    parser.add_argument("--only", choices=["ours", "naive"], help="half of it")
    parser.add_argument("file", nargs="?", help="where the JSON goes")
    options = parser.parse_args()
    end_gently()
    columns: list[Column] = []
    with tempfile.TemporaryDirectory() as folder:
        if options.only != "naive":
            columns += ours(options.students, Path(folder) / "ours")
        if options.only != "ours":
            other = naive_azure if ON_AZURE else naive
            columns += other(options.students, Path(folder) / "naive")
    rows = [_summary(column) for column in columns]
    _print(columns, rows)
    name = "burst-azure" if ON_AZURE else "burst"
    write(
        name,
        {"within_seconds": WITHIN, "rows": rows},
        packages=("azure-mgmt-compute" if ON_AZURE else "boto3", "jupyterhub"),
    )
    missed = [
        row["run"]
        for row in rows
        if row["run"].startswith("ours")
        and (
            row["ready"] < row["students"]
            or row["throttled"]
            or row["describes_a_minute"] > MOST_DESCRIBES
        )
    ]
    if missed:
        print(f"The promise is not kept by: {', '.join(missed)}.")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())

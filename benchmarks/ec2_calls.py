"""The EC2 calls of one first start, one stop and one second start, by kind.

Runs the demo, starts and stops one student's server through the hub's REST API, and asks the
emulated EC2 which calls it was sent in between. Listings are made once a second here, for all
students together; their number grows with the time that passes, not with the students.

Usage: python benchmarks/ec2_calls.py [JSON-FILE, default build/benchmarks/ec2_calls.json]
"""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from urllib.request import Request, urlopen

BASE, TOKEN, USER = 47000, "benchmark-token", "student1"


def ask(url: str, method: str = "GET", body: object = None):
    request = Request(
        url, method=method, data=json.dumps(body).encode() if body is not None else None
    )
    request.add_header("Authorization", f"token {TOKEN}")
    with urlopen(request, timeout=60) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def hub(method: str, path: str, body: object = None):
    return ask(f"http://127.0.0.1:{BASE}/hub/api/{path}", method, body)


def cloud(method: str, path: str):
    return ask(f"http://127.0.0.1:{BASE + 20}/_emulator/{path}", method)


def wait(true, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError("the demo did not get there in time")
        time.sleep(0.1)


def phase(name: str, act, done) -> dict:
    cloud("DELETE", "calls")
    begun = time.monotonic()
    act()
    wait(done)
    seconds = time.monotonic() - begun
    said = cloud("GET", "calls")
    return {
        "phase": name,
        "seconds": round(seconds, 1),
        "calls": said["calls"],
        "throttled": said["throttled"],
    }


def ready() -> bool:
    server = hub("GET", f"users/{USER}")["servers"].get("")
    return bool(server and server["ready"])


def off() -> bool:
    machines = cloud("GET", "machines")["machines"]
    return not hub("GET", f"users/{USER}")["servers"] and all(
        one["state"] == "stopped" for one in machines
    )


def start() -> None:
    hub("POST", f"users/{USER}/server", {})


def stop() -> None:
    hub("DELETE", f"users/{USER}/server")


def measure(folder: str) -> list[dict]:
    environment = {
        **os.environ,
        "DEMO_DIR": folder,
        "DEMO_PORT_BASE": str(BASE),
        "DEMO_ADMIN_TOKEN": TOKEN,
        "PYTHONUNBUFFERED": "1",
    }
    log = Path(folder) / "out.log"
    with log.open("wb") as file:
        demo = subprocess.Popen(
            [sys.executable, "-m", "gpuspawner.cli", "demo"],
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait(lambda: "is running at" in log.read_text())
        return [
            phase("first start", start, ready),
            phase("stop", stop, off),
            phase("second start", start, ready),
        ]
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait(60)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(folder)
    kinds = sorted({kind for row in rows for kind in row["calls"]})
    print(f"{'call':<22}" + "".join(f"{row['phase']:>14}" for row in rows))
    for kind in kinds:
        print(f"{kind:<22}" + "".join(f"{row['calls'].get(kind, 0):>14}" for row in rows))
    print(f"{'seconds':<22}" + "".join(f"{row['seconds']:>14}" for row in rows))
    about = {
        "benchmark": "ec2_calls",
        "at": datetime.now(timezone.utc).isoformat(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
    }
    to = Path(sys.argv[1] if len(sys.argv) > 1 else "build/benchmarks/ec2_calls.json")
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(json.dumps(about | {"rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()

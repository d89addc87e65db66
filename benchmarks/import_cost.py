"""What a cloud's SDK adds to a controller: time, processor, memory and disk.

A process loads its configuration, makes its provider and looks at a cloud once, as a controller does
at its start; one without a provider does all but the last two. They take turns, so that each
difference is of neighbours in time. Beside it is what the SDK takes on the disk. It fails if one
cloud's controller has loaded anything of the other's SDK, or the one without a provider of either.

Usage: python benchmarks/import_cost.py [--times 9] [JSON-FILE, default build/benchmarks/import_cost.json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from importlib.metadata import distribution, requires
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

BEGAN = time.perf_counter()

CLOUDS = {"aws": "ec2", "azure": "azure"}
"""The extra of the package, and the kind of cloud that needs it."""

HEAD = """
c = get_config()
c.Controller.public_url = "https://hub.example.org/"
c.Controller.secret_file = "secret"
"""

SDKS = ("boto3", "botocore", "azure")


def configured(cloud: str, folder: Path, running: ExitStack) -> tuple[Path, dict[str, str]]:
    """A configuration file for an emulated cloud that is started here, and the controller's environment."""
    from _emulator import Emulator  # noqa: PLC0415 - the children do without all of this

    from tests.faults.clouds import CLOUDS as KINDS  # noqa: PLC0415

    kind = KINDS[CLOUDS[cloud]]
    emulator = running.enter_context(Emulator(kind.emulator, folder / kind.emulator))
    port = urlsplit(emulator.url).port
    assert port
    seed = emulator.ask("seed", "GET")
    lines = kind.config(port, folder, seed)
    file = folder / f"{cloud}.py"
    file.write_text(HEAD + lines)
    return file, {**os.environ, **kind.environment(port)}


def child(provider: bool, file: Path) -> dict[str, Any]:
    """Start as a controller does; what this process says of itself."""
    from gpuspawner.app import make_provider  # noqa: PLC0415 - this is what is measured
    from gpuspawner.clock import SystemClock  # noqa: PLC0415
    from gpuspawner.settings.whole import Settings  # noqa: PLC0415

    settings = Settings.load(file)
    imported = time.perf_counter()

    async def look() -> None:
        cloud = settings.aws or settings.azure
        assert cloud
        made = make_provider(cloud, settings.identity.hub_id, SystemClock())
        await made.list()
        await made.close()

    if provider:
        asyncio.run(look())
    status = Path("/proc/self/status").read_text()
    memory = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return {
        "import_seconds": imported - BEGAN,
        "look_seconds": time.perf_counter() - imported,
        "processor_seconds": time.process_time(),
        "mib": int(memory.split()[1]) / 1024,
        "modules": len(sys.modules),
        "sdks": sorted({name.partition(".")[0] for name in sys.modules} & set(SDKS)),
    }


def run(provider: str, file: Path, environment: dict[str, str]) -> dict[str, Any]:
    """`child` in a process of its own."""
    command = [sys.executable, __file__, "--child", provider, str(file)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def packages(extra: str) -> set[str]:
    """What an extra installs that the package does not install without it."""
    return _closure("gpuspawner", extra) - _closure("gpuspawner", "")


def _closure(name: str, extra: str) -> set[str]:
    from packaging.requirements import Requirement  # noqa: PLC0415
    from packaging.utils import canonicalize_name  # noqa: PLC0415

    found: set[tuple[str, str]] = set()
    waiting = [(name, extra)]
    while waiting:
        one = waiting.pop()
        if one in found:
            continue
        found.add(one)
        for line in requires(one[0]) or ():
            wanted = Requirement(line)
            if wanted.marker is None or wanted.marker.evaluate({"extra": one[1]}):
                extras = wanted.extras or {""}
                waiting += [(canonicalize_name(wanted.name), more) for more in extras]
    return {one for one, _ in found}


def disk_mib(names: set[str]) -> float:
    """What these packages take on the disk, without compiled bytecode, in MiB."""
    files = (Path(str(file.locate())) for one in names for file in distribution(one).files or ())
    sizes = [file.stat().st_size for file in files if file.is_file() and file.suffix != ".pyc"]
    return sum(sizes) / 2**20


def main() -> int:
    """0 when no controller loads what it does not need."""
    from _common import table, write  # noqa: PLC0415

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=int, default=9, help="processes of each kind")
    parser.add_argument("file", nargs="?", help="where the JSON goes")
    options = parser.parse_args()
    said: dict[str, list[dict[str, Any]]] = {"no provider": [], **{one: [] for one in CLOUDS}}
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        files = {one: configured(one, Path(name), running) for one in CLOUDS}
        for number in range(options.times + 1):
            for one, told in said.items():
                made = run(one, *files.get(one, files["aws"]))
                if number:  # the first fills the disk's cache
                    told.append(made)
    rows = [_row(one, told) for one, told in said.items()]
    units = {
        "import_seconds": "until its configuration is read, s",
        "look_seconds": "provider, client and first look, s",
        "processor_seconds": "processor, s",
        "mib": "memory, MiB",
        "modules": "modules",
        "packages": "packages of the SDK",
        "disk_mib": "disk of the SDK, MiB",
    }
    table(
        ["median", *said],
        [[words, *(f"{row[key]:.4g}" for row in rows)] for key, words in units.items()],
    )
    write(
        "import_cost",
        {"times": options.times, "rows": rows},
        packages=("azure-mgmt-compute", "boto3"),
    )
    expected = {"no provider": [], "aws": ["boto3", "botocore"], "azure": ["azure"]}
    wrong = [row for row in rows if row["sdks"] != expected[row["run"]]]
    for row in wrong:
        print(f"{row['run']} has loaded {row['sdks']}")
    return 1 if wrong else 0


def _row(name: str, told: list[dict[str, Any]]) -> dict[str, Any]:
    own = packages(name) if name in CLOUDS else set()
    numbers = ("import_seconds", "look_seconds", "processor_seconds", "mib", "modules")
    return {
        "run": name,
        **{key: statistics.median(one[key] for one in told) for key in numbers},
        "sdks": sorted({sdk for one in told for sdk in one["sdks"]}),
        "packages": len(own),
        "disk_mib": disk_mib(own),
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(child(sys.argv[2] != "no provider", Path(sys.argv[3]))))
    else:
        raise SystemExit(main())

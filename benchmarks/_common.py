"""What every benchmark shares: a table on stdout, JSON with provenance, CPU times, quantiles."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def provenance(benchmark: str, packages: Iterable[str] = ()) -> dict[str, Any]:
    """Where, when and with what a benchmark ran; `packages` are named with their versions."""
    return {
        "benchmark": benchmark,
        "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD"),
        "changed_since": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "packages": {name: version(name) for name in packages},
    }


def write(benchmark: str, data: Mapping[str, Any], *, packages: Iterable[str] = ()) -> Path:
    """Write JSON to the file named on the command line, else `build/benchmarks/NAME.json`."""
    named = [argument for argument in sys.argv[1:] if argument.endswith(".json")]
    to = Path(named[0]) if named else ROOT / "build" / "benchmarks" / f"{benchmark}.json"
    to.parent.mkdir(parents=True, exist_ok=True)
    whole = provenance(benchmark, packages) | dict(data)
    to.write_text(json.dumps(whole, indent=2, default=str) + "\n")
    print(f"written to {to}")
    return to


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under headers: the first column to the left, the others to the right."""
    texts = [list(headers), *([_text(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(headers))]
    for number, row in enumerate(texts):
        first, *others = zip(row, widths, strict=True)
        print("  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]))
        if number == 0:
            print("  ".join("-" * width for width in widths))


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of `values` that at least `share` (0 to 1) of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


def cpu_seconds(pid: int) -> float:
    """The processor time that a process has used in all its threads, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mib(pid: int | str = "self") -> float:
    """The most memory that a process has had resident, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _text(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:,.3g}" if abs(cell) < 10 else f"{cell:,.0f}"
    return str(cell)


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()

"""A week of a class on an emulated cloud: the ledger's cost book beside the cloud's own bill.

Students press Start and Stop at a JupyterHub, calls are throttled, prices change, and the hub and the
controller, each a process of its own, are killed with SIGKILL in the middle of whatever they do and
begin again before the same databases and cloud. Time is turned and not waited for: all processes
share one clock. The cloud's changes of state take no time here, so that both sides mean the same
second (what `pending` and deallocating add is in tests/providers/test_*_metering.py). What agents
would report is written into the database.

With CLOUD=azure on the emulated Azure, whose starts have a minimum of five minutes and whose prices
come from its Retail Prices API.

Usage: [CLOUD=azure] python benchmarks/ledger_vs_bill.py [--students N] [--days N] [--visits N] [--minutes N] [--seed N] [JSON-FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from _common import table, write

from tests.faults.bill_week import Found, Pace, Week, units
from tests.faults.clouds import EC2, chosen

_PART = 0.125
"""Of a day, after which it is seen whether there is time for more."""


async def live(folder: Path, said: argparse.Namespace) -> tuple[Found, float]:
    """The class's days, or as many as there is time for; what was found, and how many there were."""
    pace = Pace(visits=said.visits)
    week = Week(folder, said.students, said.seed, pace=pace)
    over = None if said.minutes is None else time.monotonic() + 60 * said.minutes
    lived = 0.0
    try:
        await week.begin()
        while lived < said.days and (over is None or time.monotonic() < over):
            await week.lives(some := min(_PART, said.days - lived))
            lived += some
        return await week.ends(), lived
    finally:
        await week.close()


def main() -> int:
    """0 when the two agree."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--students", type=int, default=60)
    parser.add_argument("--days", type=float, default=7.0)
    parser.add_argument("--visits", type=float, default=1.5, help="of a student in a day")
    parser.add_argument("--minutes", type=float, help="end the week when they are over")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("file", nargs="?", help="where to write the JSON")
    said = parser.parse_args()
    logging.disable(logging.WARNING)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        found, days = asyncio.run(live(Path(folder), said))
    seconds = time.perf_counter() - began
    table(
        ("what", "figure"),
        [
            *sorted(found.counts.items()),
            ("the bill, USD", f"{units(found.bill):.6f}"),
            ("the cost book, USD", f"{units(found.cost):.6f}"),
            ("segments", found.segments),
            ("largest difference, micros a segment", f"{found.worst:.3f}"),
            ("open meters without a machine", found.orphan_meters),
            ("machines without a meter", found.unmetered),
            ("lowest balance of a student, USD", f"{units(found.lowest or 0):.6f}"),
            ("written off, USD", f"{units(found.written_off):.6f}"),
            ("differences of the ledger with itself", len(found.unsound)),
            ("days of the class", f"{days:g}"),
            ("seconds", f"{seconds:.0f}"),
        ],
    )
    # `asdict` makes a counter anew as one of pairs.
    data = {**asdict(found), "counts": dict(found.counts), "students": said.students}
    data |= {"days": days, "visits": said.visits, "seed": said.seed}
    kind = chosen()
    name = "ledger_vs_bill" if kind is EC2 else f"ledger_vs_bill_{kind.name}"
    packages = ("boto3", "moto") if kind is EC2 else ("azure-mgmt-compute",)
    write(name, data | {"seconds": seconds, "cloud": kind.name}, packages=packages)
    bad = found.differences or found.orphan_meters or found.unmetered or (found.lowest or 0) < 0
    return int(bool(bad or found.unsound))


if __name__ == "__main__":
    sys.exit(main())

"""What came of a sweep, for people and for other programs.

`python -m tests.faults.sweep_table` puts the tables of the last whole sweeps into the documentation.
"""

from __future__ import annotations

import json
import platform
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

from tests.faults.sweep import SCENARIOS, Row, results

_POINTS = ("before", "acted", "after")
_HEAD = ("scenario", "step", *_POINTS, "longest to rest", "leak-minutes", "false stops")


def figures(rows: Sequence[Row]) -> dict[str, float]:
    """The sums over a sweep; leak-minutes, doubles and false stops must be 0."""
    killed = [row for row in rows if row.reached]
    rests = sorted(row.rest_seconds for row in killed) or [0.0]
    return {
        "cases": len(rows),
        "kills": len(killed),
        "leak_minutes": round(sum(row.leak_seconds for row in rows) / 60, 4),
        "two_machines_at_once": sum(row.doubles for row in rows),
        "false_stops": sum(row.false_stops for row in rows),
        "broken": sum(bool(row.trouble) for row in rows),
        "rest_seconds_median": round(rests[len(rests) // 2], 1),
        "rest_seconds_longest": round(rests[-1], 1),
    }


def save(name: str, rows: Sequence[Row], *, whole: bool) -> Path:
    """Write every case as JSON, with where and when it was."""
    path = results() / f"kill-{name}{'' if whole else '-sample'}.json"
    content = {
        "sweep": name,
        "whole": whole,
        "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "figures": figures(rows),
        "cases": [asdict(row) for row in rows],
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


def table(rows: Iterable[Row]) -> str:
    """Scenario × step × kill point × outcome, as Markdown; repeated looks are one line."""
    lines = [_HEAD, tuple("---" for _ in _HEAD)]
    for (scenario, step), cases in _grouped(rows).items():
        killed = [row for row in cases if row.reached]
        lines.append(
            (
                scenario,
                step,
                *(_outcomes([row for row in cases if row.point == point]) for point in _POINTS),
                f"{max(row.rest_seconds for row in killed):.1f} s" if killed else "",
                f"{sum(row.leak_seconds for row in cases) / 60:g}",
                str(sum(row.false_stops for row in cases)),
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    )


def _grouped(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    groups: dict[tuple[str, str], list[Row]] = {}
    order = {scenario: number for number, scenario in enumerate(SCENARIOS)}
    for row in sorted(rows, key=lambda row: order.get(row.scenario, len(order))):
        name = row.what if row.polls or row.ordinal == 1 else f"{row.what} #{row.ordinal}"
        groups.setdefault((row.scenario, name), []).append(row)
    return groups


def _outcomes(rows: Sequence[Row]) -> str:
    """Such as `ready`, `ready 9, not reached 1`, or a dash where nobody is killed."""
    counts = Counter(_outcome(row) for row in rows)
    if not counts:
        return "–"
    if len(counts) == 1:
        [(only, count)] = counts.items()
        return only if count == 1 else f"{only} {count}"
    return ", ".join(f"{outcome} {count}" for outcome, count in sorted(counts.items()))


def _outcome(row: Row) -> str:
    return "**broken**" if row.trouble else row.outcome


PAGE = Path(__file__).parents[2] / "docs" / "kill-at-every-step.md"
_MARK = re.compile(r"(<!-- sweep: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def into(page: str) -> str:
    """The page with each table between its marks made anew from the last whole sweep, if any."""

    def made(found: re.Match[str]) -> str:
        path = results() / f"kill-{found[2]}.json"
        if not path.exists():
            return found[0]
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = [Row(**case) for case in content["cases"]]
        return f"{found[1]}\n{summary(rows, content['at'][:10])}\n\n{table(rows)}\n\n{found[3]}"

    return _MARK.sub(made, page)


def summary(rows: Sequence[Row], day: str) -> str:
    """The figures of a sweep in two sentences."""
    found = figures(rows)
    return (
        f"On {day}: {found['kills']} kills in {found['cases']} cases. "
        f"**Leak-minutes {found['leak_minutes']:g}, false stops {found['false_stops']}**, "
        f"two machines at once {found['two_machines_at_once']}, homes lost or broken in any other "
        f"way {found['broken']}. From the kill to rest, with the restart: "
        f"{found['rest_seconds_median']} s in the median, {found['rest_seconds_longest']} s at most."
    )


if __name__ == "__main__":
    PAGE.write_text(into(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

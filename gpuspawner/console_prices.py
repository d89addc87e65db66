"""What `gpuspawner prices` prints: the books, how old they are, and what was not believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gpuspawner.amounts import amount_text
from gpuspawner.console import ask, table

_HEAD = ("NAME", "OF", "REGION", "GPU", "CHARGE", "COST", "PER", "DATE", "AGE", "SOURCE")
_PATIENCE = 300.0
"""Seconds: a price list has pages, and a question for every size."""


def run(config: Path, *, refresh: bool, as_json: bool) -> int:
    """Print the prices in force; with `refresh`, ask the cloud for its own before."""
    if refresh:
        found = ask(config, "prices/refresh", "POST", seconds=_PATIENCE)
    else:
        found = ask(config, "prices")
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        _show(found)
    return 0 if found.get("answered", True) else 1


def _show(found: dict[str, Any]) -> None:
    when = found["read_at"]
    print(
        f"The cloud's price list was last read at {when[:16].replace('T', ' ')} UTC.\n"
        if when
        else "The cloud's price list was never read.\n"
    )
    table(_HEAD, [_row(price, found) for price in found["prices"]])
    if found["findings"]:
        print()
    for one in found["findings"]:
        print(f"{one['severity']}: {one['subject']}: {one['message']} {one['remedy']}".rstrip())


def _row(price: dict[str, Any], found: dict[str, Any]) -> tuple[str, ...]:
    return (
        price["sku"],
        price["component"],
        price["region"],
        price["gpu"] or "-",
        _amount(price["charge"], found["unit"]),
        _amount(price["cost"], found["cost_unit"]),
        price["per"],
        price["as_of"][:10],
        f"{price['age_days']} d",
        price["source"],
    )


def _amount(micros: int | None, unit: str) -> str:
    return "-" if micros is None else amount_text(micros, unit, fine=True)

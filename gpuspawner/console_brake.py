"""`gpuspawner stop-everything`: the one command that ends all spending on machines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from gpuspawner.console import ask, table

_PATH = "stop-everything"


def run(config: Path, reason: str, *, lift: bool, yes: bool) -> int:
    """Stop everything after showing what runs and asking, or lift that. 1 when the answer is no."""
    if lift:
        return _lift(config, reason)
    running = ask(config, _PATH)["running"]
    _show(running)
    if not yes:
        print(
            "\nEach is saved and stopped, and none can be started until it is lifted. "
            "Type 'stop' to go on: ",
            end="",
            flush=True,
        )
        if sys.stdin.readline().strip() != "stop":
            print("Nothing was stopped.")
            return 1
    done = ask(config, _PATH, "POST", {"reason": reason})
    print(f"{done['stopped']} machines are being saved and stopped. None can be started until")
    print("'gpuspawner stop-everything --lift --reason …'.")
    return 0


def _lift(config: Path, reason: str) -> int:
    if ask(config, _PATH)["in_force"] is None:
        print("Nothing is in force, so there is nothing to lift.")
        return 1
    ask(config, _PATH, "POST", {"reason": reason, "lift": True})
    print("Machines can be started again. None is started by itself.")
    return 0


def _show(running: list[dict[str, Any]]) -> None:
    if not running:
        print("No machine is wanted now.")
        return
    rows = [
        (one["user"], one["server"] or "-", one["size"] or "-", one["power"] or "-")
        for one in running
    ]
    table(("USER", "SERVER", "SIZE", "POWER"), rows)

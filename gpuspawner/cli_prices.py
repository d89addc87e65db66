"""The command about prices: `gpuspawner prices`."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from gpuspawner import console_prices

Commands = argparse._SubParsersAction  # noqa: SLF001 - argparse gives it no public name
Config = Callable[[argparse.ArgumentParser], None]


def add(commands: Commands[argparse.ArgumentParser], config: Config) -> None:
    """Add the command; `config` adds the option that names the hub's configuration file."""
    command = commands.add_parser(
        "prices",
        help="list what everything costs and is charged, since when, and who says so",
        description=_prices.__doc__,
    )
    command.add_argument(
        "action", nargs="?", choices=["refresh"],
        help="ask the cloud's price service now, and not only once a day; then list",
    )  # fmt: skip
    config(command)
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=_prices)


def _prices(parsed: argparse.Namespace) -> int:
    """List what everything costs and is charged, since when, who says so, and what was refused.

    Ends with 1 when the cloud's price service was asked and did not answer: the last good prices stay.
    """
    return console_prices.run(parsed.config, refresh=bool(parsed.action), as_json=parsed.json)

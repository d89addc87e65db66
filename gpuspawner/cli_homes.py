"""The commands about students' homes: `gpuspawner homes …`."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from gpuspawner import console

Commands = argparse._SubParsersAction  # noqa: SLF001 - argparse gives it no public name
Config = Callable[[argparse.ArgumentParser], None]


def add(commands: Commands[argparse.ArgumentParser], config: Config) -> None:
    """Add the command; `config` adds the option that names the hub's configuration file."""
    command = commands.add_parser("homes", help="list, hand over or delete students' homes")
    actions = command.add_subparsers(title="actions", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list all homes")
    config(listing)
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(run=_list)
    give = actions.add_parser(
        "give", help="hand a home to another user's server, from its next start on"
    )
    config(give)
    give.add_argument("home", help="the home's id, from 'gpuspawner homes list'")
    give.add_argument("user", help="the user who gets it")
    give.add_argument(
        "--server", default="", help="which of the user's servers (default: the default one)"
    )
    give.set_defaults(run=_give)
    delete = actions.add_parser("delete", help="delete homes for good, after a list to confirm")
    config(delete)
    delete.add_argument("homes", nargs="+", metavar="home", help="the homes' ids")
    delete.add_argument("--yes", action="store_true", help="do not ask")
    delete.set_defaults(run=_delete)


def _list(parsed: argparse.Namespace) -> int:
    return console.homes(parsed.config, as_json=parsed.json)


def _give(parsed: argparse.Namespace) -> int:
    return console.give(parsed.config, parsed.home, parsed.user, parsed.server)


def _delete(parsed: argparse.Namespace) -> int:
    return console.delete(parsed.config, parsed.homes, yes=parsed.yes)

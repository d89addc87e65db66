"""The commands about credit and people: `gpuspawner credits …` and `gpuspawner person …`."""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Callable
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from gpuspawner import console_credit
from gpuspawner.spreadsheets import ENCODINGS

Commands = argparse._SubParsersAction  # noqa: SLF001 - argparse gives it no public name
Config = Callable[[argparse.ArgumentParser], None]

_MICROS = 1_000_000
_MOST = 2**53 - 1


def add(commands: Commands[argparse.ArgumentParser], config: Config) -> None:
    """Add both commands; `config` adds the option that names the hub's configuration file."""
    _credits(commands, config)
    _person(commands, config)


def _credits(commands: Commands[argparse.ArgumentParser], config: Config) -> None:
    command = commands.add_parser(
        "credits", help="bring credit in, grant it, take it back, and see where it went"
    )
    actions = command.add_subparsers(title="actions", required=True, metavar="ACTION")
    _changes(actions, config)
    balance = actions.add_parser("balance", help="the pool and everybody's balance, or one's")
    balance.add_argument("student", nargs="?", help="one student only")
    _finish(balance, config, console_credit.balance, "student")
    statement = actions.add_parser("statement", help="every line that a student paid or got")
    statement.add_argument("student", help="the hub's name of the student")
    for name, text in (("--since", "first day, YYYY-MM-DD"), ("--until", "last day, included")):
        statement.add_argument(name, type=date.fromisoformat, metavar="DAY", help=text)
    statement.add_argument("--csv", action="store_true", help="print CSV for a spreadsheet")
    _encoding(statement)
    _finish(
        statement, config, console_credit.statement, "student", "since", "until", "csv", "encoding"
    )
    export = actions.add_parser(
        "export", help="everybody's balance as CSV; with --json, the pool and the log as well"
    )
    export.add_argument("--output", type=Path, metavar="FILE", help="default: print it")
    _encoding(export)
    _finish(export, config, console_credit.export, "output", "encoding")


def _encoding(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--encoding", choices=ENCODINGS, default=ENCODINGS[0],
        help="of the CSV: utf-8 with the mark that Excel needs, or cp949 for Korean programs that know nothing else (default: utf-8)",
    )  # fmt: skip


def _changes(actions: Commands[argparse.ArgumentParser], config: Config) -> None:
    fund = actions.add_parser("fund", help="bring credit into the pool of the class")
    fund.add_argument("amount", type=amount, help="how much, in the unit of the class")
    _change(fund, config, console_credit.fund, "amount")
    grant = actions.add_parser("grant", help="give a student credit of the pool")
    grant.add_argument("student", help="the hub's name of the student")
    grant.add_argument("amount", type=amount, help="how much, in the unit of the class")
    grant.add_argument(
        "--expires", type=date.fromisoformat, metavar="DAY",
        help="what is left then goes back to nobody: YYYY-MM-DD, at its beginning in UTC (default: never)",
    )  # fmt: skip
    _change(grant, config, console_credit.grant, "student", "amount", "expires")
    reverse = actions.add_parser(
        "reverse", help="take a grant, a use or a payment back, once, where it came from"
    )
    reverse.add_argument("transaction", type=int, help="its number, from a statement or the log")
    reverse.add_argument("--amount", type=amount, help="only so much of it (default: all)")
    _change(reverse, config, console_credit.reverse, "transaction", "amount")


def _person(commands: Commands[argparse.ArgumentParser], config: Config) -> None:
    command = commands.add_parser("person", help="export or erase what is known of a person")
    actions = command.add_subparsers(title="actions", required=True, metavar="ACTION")
    who = "the hub's name, the id in the ledger, the student number or the e-mail address"
    export = actions.add_parser("export", help="everything that is known of a person, as JSON")
    export.add_argument("person", help=who)
    config(export)
    export.set_defaults(run=_runner(console_credit.export_person, "person"))
    erase = actions.add_parser(
        "erase", help="forget who a person is, after a question; every sum stays"
    )
    erase.add_argument("person", help=who)
    erase.add_argument("--yes", action="store_true", help="do not ask")
    _finish(erase, config, console_credit.erase_person, "person", "yes")


def _change(
    command: argparse.ArgumentParser, config: Config, run: Callable[..., int], *names: str
) -> None:
    command.add_argument("--reason", required=True, help="why; it is kept in the log")
    command.add_argument(
        "--key", default=None,
        help="a key of your own: repeated with it, the command is carried out once (default: a new one)",
    )  # fmt: skip
    _finish(command, config, run, *names, "reason", "key")


def _finish(
    command: argparse.ArgumentParser, config: Config, run: Callable[..., int], *names: str
) -> None:
    config(command)
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=_runner(run, *names, "json"))


def _runner(run: Callable[..., int], *names: str) -> Callable[[argparse.Namespace], int]:
    """Hand the options on by name; `json` is a module's name and so `as_json` there."""

    def started(parsed: argparse.Namespace) -> int:
        values: dict[str, Any] = {
            "as_json" if name == "json" else name: getattr(parsed, name) for name in names
        }
        if "key" in values and values["key"] is None:
            values["key"] = str(uuid.uuid4())
        return run(parsed.config, **values)

    return started


def amount(text: str) -> int:
    """An amount as it is typed, in micros: `12.5` is 12,500,000."""
    try:
        micros = Decimal(text) * _MICROS
        whole = int(micros)
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not an amount such as 12.50") from error
    if whole != micros or not 0 < whole <= _MOST:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an amount above 0 with six decimals at most"
        )
    return whole

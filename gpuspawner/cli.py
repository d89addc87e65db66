"""`gpuspawner …`: the controller, a look at it, homes, the emulator and the demo."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from gpuspawner import cli_credit, cli_homes, cli_prices
from gpuspawner._version import __version__
from gpuspawner.errors import GpuspawnerError
from gpuspawner.language import LANGUAGES, terminal_language

DEFAULT_CONFIG = Path("jupyterhub_config.py")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it worked, 1 when it did not, 2 for a mistake in its use."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["emulator"]:
        return _emulator(arguments[1:])
    parsed = parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = parsed.run
    try:
        return run(parsed)
    except GpuspawnerError as error:
        print(f"gpuspawner: {error.detail or error.public}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    """The commands and their options; the documentation is made from it."""
    top = argparse.ArgumentParser(
        prog="gpuspawner",
        description="GPU machines for a class: run the controller, look at it, try the demo.",
    )
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _controller(commands)
    _doctor(commands)
    _status(commands)
    _simulate(commands)
    cli_homes.add(commands, _config)
    cli_credit.add(commands, _config)
    cli_prices.add(commands, _config)
    _stop_everything(commands)
    _bootstrap(commands)
    _demo(commands)
    _proxy(commands)
    commands.add_parser("emulator", help="run an emulated cloud on this computer", add_help=False)
    return top


Commands = argparse._SubParsersAction  # noqa: SLF001 - argparse gives it no public name


def _config(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--config",
        type=Path,
        default=DEFAULT_CONFIG,
        metavar="FILE",
        help="the hub's configuration file (default: %(default)s)",
    )


def _controller(commands: Commands[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "controller",
        help="run the controller until it is told to stop",
        description=_run_controller.__doc__,
    )
    _config(command)
    command.add_argument("--verbose", action="store_true", help="log more")
    command.set_defaults(run=_run_controller)


def _run_controller(parsed: argparse.Namespace) -> int:
    """Run the controller in the foreground. The hub does this itself unless `managed=False`."""
    from gpuspawner import app  # noqa: PLC0415 - heavy, and needed by this command only

    return app.main(parsed.config, verbose=parsed.verbose)


def _doctor(commands: Commands[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "doctor",
        help="say before class what would fail in class, and how to mend it",
        description=_run_doctor.__doc__,
    )
    _config(command)
    command.add_argument(
        "--students",
        type=_count,
        metavar="N",
        help="how many start at once (default: the users whom the configuration names, if it does)",
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    command.add_argument(
        "--language", choices=LANGUAGES, help="of the sentences (default: the terminal's)"
    )
    command.set_defaults(run=_run_doctor)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of students")
    return int(text)


def _run_doctor(parsed: argparse.Namespace) -> int:
    """Say before class what would fail in class, and change nothing.

    Ends with 0 when all is well (there may be warnings), 1 when something would fail, 2 when the
    configuration cannot even be read.
    """
    from gpuspawner.clock import SystemClock  # noqa: PLC0415
    from gpuspawner.doctor import examination, show  # noqa: PLC0415 - heavy

    language = parsed.language or terminal_language(os.environ)
    report = examination.examine(parsed.config, SystemClock().now(), parsed.students)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal without these letters shows question marks, and not a traceback.
        sys.stdout.reconfigure(errors="replace")
    if parsed.json:
        print(json.dumps(report.to_json(language), indent=2))
    else:
        print(show.text(report, language), end="")
    return report.exit_code


def _status(commands: Commands[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "status",
        help="list claims beside their machines, and what last went wrong",
        description=_run_status.__doc__,
    )
    _config(command)
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=_run_status)


def _run_status(parsed: argparse.Namespace) -> int:
    """List claims beside their machines, and what last went wrong with each."""
    from gpuspawner import console  # noqa: PLC0415

    return console.status(parsed.config, as_json=parsed.json)


def _simulate(commands: Commands[argparse.ArgumentParser]) -> None:
    from gpuspawner.simulation import command as simulation  # noqa: PLC0415

    command = commands.add_parser(
        "simulate",
        help="play a term in software: the bill, whom the rules hit, and whether a budget lasts",
        description=_run_simulate.__doc__,
    )
    simulation.add_options(command)
    command.set_defaults(run=_run_simulate)


def _run_simulate(parsed: argparse.Namespace) -> int:
    """Play a class's term in software, with the rule that stops idle machines and beside others."""
    from gpuspawner.simulation import command as simulation  # noqa: PLC0415

    try:
        told = simulation.run(parsed, parsed.language or terminal_language(os.environ))
    except ValueError as error:
        print(f"gpuspawner: {error}", file=sys.stderr)
        return 2
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    print(told, end="")
    return 0


def _stop_everything(commands: Commands[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "stop-everything",
        help="save and stop all machines, and start none until it is lifted",
        description=_run_stop_everything.__doc__,
    )
    _config(command)
    command.add_argument(
        "--reason", required=True, metavar="TEXT", help="why, for the log (required)"
    )
    command.add_argument(
        "--lift", action="store_true", help="let machines be started again; starts none"
    )
    command.add_argument("--yes", action="store_true", help="do not ask")
    command.set_defaults(run=_run_stop_everything)


def _run_stop_everything(parsed: argparse.Namespace) -> int:
    """Save and stop all machines, after a list to confirm, and start none until it is lifted."""
    from gpuspawner import console_brake  # noqa: PLC0415

    return console_brake.run(parsed.config, parsed.reason, lift=parsed.lift, yes=parsed.yes)


def _bootstrap(commands: Commands[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "bootstrap",
        help="write what has to be made once in the cloud account, and print how",
        description=_run_bootstrap.__doc__,
    )
    command.add_argument("cloud", choices=["azure"], help="which cloud")
    _config(command)
    command.add_argument(
        "--output", type=Path, default=Path("bootstrap"), metavar="FOLDER",
        help="where the files go (default: %(default)s)",
    )  # fmt: skip
    command.set_defaults(run=_run_bootstrap)


def _run_bootstrap(parsed: argparse.Namespace) -> int:
    """Write the roles and the second switch, filled in, and print the commands that make them.

    Nothing is made in the cloud by this command itself: that takes an administrator's rights.
    """
    from gpuspawner import bootstrap  # noqa: PLC0415

    return bootstrap.azure(parsed.config, parsed.output)


def _demo(commands: Commands[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "demo",
        help="run a hub on an emulated cloud, on this computer only",
        description=_run_demo.__doc__,
    )
    command.add_argument(
        "--cloud",
        choices=["ec2", "azure"],
        default="ec2",
        help="which cloud to emulate (default: ec2)",
    )
    command.set_defaults(run=_run_demo)


def _run_demo(parsed: argparse.Namespace) -> int:
    """Run a hub with an emulated EC2 behind it. Needs a checkout of the project and no account."""
    from gpuspawner import demo  # noqa: PLC0415

    return demo.main(parsed.cloud)


def _proxy(commands: Commands[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "install-proxy",
        help="install JupyterHub's proxy where node is missing",
        description=_run_proxy.__doc__,
    )
    command.add_argument(
        "folder", type=Path, nargs="?", help="where to install it (default: beside this Python)"
    )
    command.set_defaults(run=_run_proxy)


def _run_proxy(parsed: argparse.Namespace) -> int:
    """Install configurable-http-proxy, and print the command for `c.ConfigurableHTTPProxy.command`."""
    from gpuspawner import proxy  # noqa: PLC0415

    print("c.ConfigurableHTTPProxy.command =", proxy.install(parsed.folder))
    return 0


def _emulator(arguments: list[str]) -> int:
    """The emulator knows nothing of the rest and has a command line of its own."""
    from gpuspawner.emulator import command  # noqa: PLC0415

    return command.main(arguments)


if __name__ == "__main__":
    sys.exit(main())

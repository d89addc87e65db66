"""`gpuspawner-benchmark`: measure, show, and keep the result."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import secrets
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labs_extension.benchmark.coordinate import Cancelled, Event, Run
from labs_extension.benchmark.plan import BACKENDS, ITEMS, SCALES, chosen
from labs_extension.benchmark.processes import WorkerProcess
from labs_extension.benchmark.results import results_folder, write
from labs_extension.benchmark.sentences import TITLES, sentence
from labs_extension.clock import SystemClock
from labs_extension.gpu.nvml import Nvml
from labs_extension.language import LANGUAGES, _, say, terminal_language

EXIT = {"ok": 0, "failed": 1, "no_device": 3, "cancelled": 130}
"""The exit code for each status of a run; 2 is a mistyped command, or no framework."""

_HELP = {
    "jax": "pip install 'jax[cuda12]'",
    "tensorflow": "pip install 'tensorflow[and-cuda]'",
    "torch": "pip install torch",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is in `EXIT`."""
    options = _parser().parse_args(argv)
    language = options.language or terminal_language(os.environ)
    if options.list:
        for name in ITEMS:
            _out(f"{name:20} {say(TITLES[name])[language]}")
        return 0
    backend = _backend(options.backend, os.environ)
    if backend is None:
        text = _(
            "Keras with TensorFlow, PyTorch or JAX is needed. Install one of them: {commands}."
        )
        commands = "; ".join(f"{_HELP[name]} keras" for name in BACKENDS)
        sys.stderr.write(say(text, commands=commands)[language] + "\n")
        return 2
    clock, nvml = SystemClock(), Nvml()
    name = options.id or f"{int(clock.now())}-{secrets.token_hex(4)}"
    run = Run(
        id=name,
        items=chosen(options.only),
        scale=options.scale,
        backend=backend,
        clock=clock,
        look=lambda: nvml.read(clock.now()),
        start=WorkerProcess,
        tell=_tell_programs if options.progress == "json" else _Teller(language),
        data=options.data,
    )
    _end_when_told_to()
    result = run.run()
    nvml.close()
    to = options.output or results_folder(os.environ, Path.home()) / f"{name}.json"
    write(result, to)
    if options.progress == "text":
        _out(say(_("The result is in {file}."), file=str(to))[language])
    return EXIT[result["status"]]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("gpuspawner-benchmark", description=__doc__)
    parser.add_argument("--scale", choices=SCALES, default="quick", help="default: quick")
    parser.add_argument("--only", nargs="+", choices=list(ITEMS), metavar="ITEM", help="see --list")
    parser.add_argument(
        "--backend", choices=BACKENDS, help="default: KERAS_BACKEND, else the first installed"
    )
    parser.add_argument("--data", metavar="FOLDER", help="of MNIST and CIFAR-10")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="default: a new one in the user's data folder"
    )
    parser.add_argument("--progress", choices=("text", "json"), default="text")
    parser.add_argument("--language", choices=LANGUAGES, help="default: the terminal's")
    parser.add_argument("--id", type=_identifier, help=argparse.SUPPRESS)
    parser.add_argument("--list", action="store_true", help="name the items, and end")
    return parser


def _identifier(text: str) -> str:
    if not text.replace("-", "").isalnum() or len(text) > 60:
        raise argparse.ArgumentTypeError("letters, digits and -")
    return text


def _backend(wanted: str | None, environment: Mapping[str, str]) -> str | None:
    """The backend to use; None when Keras, or the wanted backend, is not installed."""
    if importlib.util.find_spec("keras") is None:
        return None
    named = wanted or environment.get("KERAS_BACKEND")
    names = [named] if named else ["tensorflow", "torch", "jax"]
    return next((one for one in names if one in BACKENDS and importlib.util.find_spec(one)), None)


def _end_when_told_to() -> None:
    def end(number: int, _frame: Any) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            # Once: the second must not interrupt the writing of what there is.
            signal.signal(each, signal.SIG_IGN)
        raise Cancelled(signal.Signals(number).name)

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, end)


def _tell_programs(event: Event) -> None:
    _out(json.dumps(event))


class _Teller:
    """Tells a person what happens."""

    def __init__(self, language: str) -> None:
        self._language = language

    def __call__(self, event: Event) -> None:
        if event["event"] == "result":
            _out(sentence(event["row"])[self._language])
        elif event["event"] == "end":
            for row in event["result"]["results"]:
                if row["id"].endswith("_ratio"):
                    _out(sentence(row)[self._language])


def _out(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()

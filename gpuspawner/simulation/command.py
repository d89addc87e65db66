"""`gpuspawner simulate`: the options, and what is written where."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from gpuspawner import settings
from gpuspawner.language import LANGUAGES
from gpuspawner.policy.session import Policy
from gpuspawner.settings import whole
from gpuspawner.simulation import picture, words
from gpuspawner.simulation.assumptions import Assumptions, changed
from gpuspawner.simulation.report import Report, lasts, simulate
from gpuspawner.simulation.sweep import sweep

SEEDS, SWEEP_SEEDS = 5, 2


def add_options(command: argparse.ArgumentParser) -> None:
    """What can be asked."""
    command.add_argument("--students", type=int, metavar="N", help="how many (default: 100)")
    command.add_argument("--weeks", type=int, metavar="N", help="of the term (default: 15)")
    command.add_argument(
        "--price", type=float, metavar="DOLLARS", help="of an hour (default: 0.526, g4dn.xlarge)"
    )
    command.add_argument(
        "--budget", type=float, metavar="DOLLARS", help="say whether so much lasts for the term"
    )
    command.add_argument(
        "--terms", type=int, metavar="N",
        help=f"how many terms to play, each by another draw (default: {SEEDS}; {SWEEP_SEEDS} in a sweep)",
    )  # fmt: skip
    command.add_argument(
        "--assume", action="append", default=[], metavar="NAME=VALUE",
        help="change an assumption, such as p_forget=0.3; all are printed with the result",
    )  # fmt: skip
    command.add_argument(
        "--config", type=Path, metavar="FILE",
        help="take c.Idle and c.Session from this configuration file (default: their defaults)",
    )  # fmt: skip
    command.add_argument(
        "--sweep", action="store_true", help="show how the figures move when one default moves"
    )
    command.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="write simulation.json and simulation.svg there, or sweep.json",
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    command.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="processes that share the work (default: 1)",
    )

    command.add_argument(
        "--language", choices=LANGUAGES, help="of the words (default: the terminal's)"
    )


def run(parsed: argparse.Namespace, language: str) -> str:
    """Play the terms, write the files, and return what is to be printed.

    Raises:
        ValueError: an option cannot be so.
        ConfigurationError: the configuration file has a mistake, which is named.
    """
    assumed, policy = _assumed(parsed), _policy(parsed.config)
    counts = (parsed.terms, parsed.workers, assumed.students, assumed.weeks)
    if any(count is not None and count < 1 for count in counts):
        raise ValueError("students, weeks, terms and workers must be at least 1")
    seeds = range(parsed.terms or (SWEEP_SEEDS if parsed.sweep else SEEDS))
    if parsed.sweep:
        lines = sweep(assumed, policy, seeds, parsed.workers)
        data = json.dumps(words.swept(assumed, seeds, lines), indent=2) + "\n"
        if parsed.output is not None:
            parsed.output.mkdir(parents=True, exist_ok=True)
            (parsed.output / "sweep.json").write_text(data, encoding="utf-8")
        return data if parsed.json else words.table(lines, language) + "\n"
    report = simulate(assumed, policy, seeds, parsed.workers)
    if parsed.output is not None:
        _write(parsed.output, report, language)
    budget = None if parsed.budget is None else lasts(report, parsed.budget)
    if parsed.json:
        return json.dumps(words.everything(report, budget), indent=2) + "\n"
    return words.text(report, language, budget)


def _assumed(parsed: argparse.Namespace) -> Assumptions:
    given = [
        f"{name}={getattr(parsed, name)}"
        for name in ("students", "weeks", "price")
        if getattr(parsed, name) is not None
    ]
    texts: Sequence[str] = [*parsed.assume, *given]
    return changed(Assumptions(), list(texts))


def _policy(path: Path | None) -> Policy:
    if path is None:
        return Policy()
    config = settings.load(path)
    return whole.policy(config, settings.made(settings.Credit, config).record())


def _write(folder: Path, report: Report, language: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    data = json.dumps(report.to_json(), indent=2) + "\n"
    (folder / "simulation.json").write_text(data, encoding="utf-8")
    drawn = picture.draw(report, language)
    (folder / "simulation.svg").write_text(drawn, encoding="utf-8")

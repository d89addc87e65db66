"""MNIST, the real one, to 99 %: seconds of training, and the accuracy of the last epoch, by seed.

The nets and the recipes are those of `labs_extension/benchmark/learn.py`: `quick` is what the lab's
benchmark trains (24,000 weights, five epochs), `careful` gets as far as a CPU gets in some minutes.
The data are looked for where the lab looks (`GPUSPAWNER_DATA`).

Usage: python benchmarks/mnist.py [--recipe careful] [--seeds N] [--epochs N] [JSON-FILE]
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import os
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
installed = (name for name in ("tensorflow", "torch", "jax") if importlib.util.find_spec(name))
os.environ.setdefault("KERAS_BACKEND", next(installed, "jax"))

from _common import table, write

from labs_extension.benchmark.engine import Engine
from labs_extension.benchmark.learn import CAREFUL, QUICK, School
from labs_extension.benchmark.plan import SCALES
from labs_extension.clock import SystemClock
from labs_extension.data import load_mnist

RECIPES = {"quick": QUICK, "careful": CAREFUL}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--recipe", choices=RECIPES, default="quick", help="default: quick")
    parser.add_argument("--epochs", type=int, help="default: the recipe's")
    parser.add_argument("json", nargs="?")
    options = parser.parse_args()
    engine = Engine()
    train, test = load_mnist()
    school = School(engine, SCALES["full"], SystemClock(), data=None)
    recipe = RECIPES[options.recipe]
    if options.epochs:
        recipe = dataclasses.replace(recipe, epochs=options.epochs)
    rows = []
    for seed in range(options.seeds):
        seconds, accuracy = school.lesson(train, test, seed, recipe)
        rows.append({"seed": seed, "seconds_to_99": seconds, "accuracy": accuracy})
        print(rows[-1], flush=True)
    table(list(rows[0]), [list(row.values()) for row in rows])
    accuracies = [row["accuracy"] for row in rows]
    summary = {
        "recipe": {"name": options.recipe, **dataclasses.asdict(recipe)},
        "device": engine.gpus() or "cpu",
        "backend": engine.backend,
        "accuracy_mean": statistics.mean(accuracies),
        "accuracy_spread": statistics.stdev(accuracies) if len(rows) > 1 else None,
    }
    print(summary)
    write("mnist", {**summary, "software": engine.versions(), "rows": rows})


if __name__ == "__main__":
    main()

"""How a class's own figures are told to the class: the middle one, and never of too few. Pure."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

LEAST: Final = 3
"""Of fewer people's figures nothing is told: two know of each other what the median leaves out."""


@dataclass(frozen=True, slots=True, order=True)
class Measured:
    """What was measured, and on what.

    Attributes:
        measure: the benchmark's name of it, which says the unit too.
        kind: `gpu` or `cpu`.
        device: the name of the GPU or of the processor.
    """

    measure: str
    kind: str
    device: str


@dataclass(frozen=True, slots=True)
class Middle:
    """The median of `count` people's figures, one of each."""

    what: Measured
    median: float
    count: int


def middles(figures: Iterable[tuple[Measured, float]], least: int = LEAST) -> list[Middle]:
    """The median of everything that at least `least` people have measured, in order of its name.

    Args:
        figures: one of each person for each `Measured`.
        least: so many people at least.
    """
    found: dict[Measured, list[float]] = defaultdict(list)
    for what, value in figures:
        found[what].append(value)
    return [
        Middle(what, statistics.median(values), len(values))
        for what, values in sorted(found.items())
        if len(values) >= least
    ]

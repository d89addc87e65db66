"""How a time is taken: warm up, repeat until it is long enough to measure, median and spread."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass

from labs_extension.clock import Clock

LARGEST_COUNT = 100_000


@dataclass(frozen=True)
class Timing:
    """Seconds of one run of the work.

    Attributes:
        median: of the repetitions.
        iqr: the distance between the quartiles of the repetitions.
        first: the very first run, which compiles and tunes.
        count: runs in a repetition.
    """

    median: float
    iqr: float
    repetitions: int
    first: float
    count: int


def measure(
    run: Callable[[int], None],
    clock: Clock,
    *,
    least_seconds: float,
    repetitions: int,
    prepare: Callable[[], None] | None = None,
) -> Timing:
    """Time `run`.

    Args:
        run: does the work as often as it is told, and returns when all of it is done.
        clock: in seconds.
        least_seconds: a repetition is at least so long.
        repetitions: how many are timed.
        prepare: done before each run and not timed; then a repetition is one run.
    """

    def seconds(count: int) -> float:
        if prepare is not None:
            prepare()
        begun = clock.monotonic()
        run(count)
        return (clock.monotonic() - begun) / count

    first = seconds(1)
    one = min(seconds(1), seconds(1))
    count = 1
    if prepare is None and one < least_seconds:
        count = min(LARGEST_COUNT, math.ceil(least_seconds / max(one, 1e-9)))
    times = [seconds(count) for _ in range(repetitions)]
    quartiles = statistics.quantiles(times, n=4) if len(times) > 1 else [times[0]] * 3
    return Timing(statistics.median(times), quartiles[2] - quartiles[0], len(times), first, count)

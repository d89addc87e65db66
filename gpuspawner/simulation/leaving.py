"""How a student leaves: with a training that goes on, with a press of *Stop*, or by forgetting."""

from __future__ import annotations

import math
import random

from gpuspawner.simulation.assumptions import DAY, Assumptions
from gpuspawner.simulation.student import Sitting, Student, Training

_SAMPLE = 5.0
"""The GPU is judged by means over so many minutes."""
_NOISE = 0.25 / math.sqrt(_SAMPLE)
"""Of such a mean, in shares of the level: each minute is off by a quarter."""


def leave(
    assumed: Assumptions,
    dice: random.Random,
    student: Student,
    sitting: Sitting,
    following: float,
) -> None:
    """What happens from the sitting's end until the next one, at `following`."""
    trains = {
        "free": assumed.p_training_free,
        "deadline": assumed.p_training_deadline,
        "lab": assumed.p_training_lab,
    }[sitting.kind]
    if dice.random() < trains:
        # Whoever starts a training has just done something.
        student.messages.append(sitting.end)
        _training(assumed, dice, student, sitting.end, following)
    elif dice.random() < assumed.p_forget:
        _forget(assumed, dice, student, sitting.end, following)
    else:
        student.presses.append(sitting.end)


def _page(
    assumed: Assumptions, dice: random.Random, student: Student, at: float, following: float
) -> None:
    length = dice.lognormvariate(math.log(assumed.page_open_median), 1.0)
    if dice.random() < assumed.p_page_stays_open:
        student.pages.append((at, min(at + length, following)))


def _forget(
    assumed: Assumptions, dice: random.Random, student: Student, at: float, following: float
) -> None:
    _page(assumed, dice, student, at, following)
    later = at + dice.lognormvariate(math.log(assumed.remembers_median), 0.8)
    if dice.random() < assumed.p_remembers and later < following:
        student.presses.append(later)
    stuck = min(1.0, assumed.p_stuck_kernel / assumed.p_forget)
    burns = dice.random() < 0.5
    if dice.random() < stuck:
        student.kernel.append((at, following))
        if burns:
            student.processor.append((at, following))


def _training(
    assumed: Assumptions, dice: random.Random, student: Student, at: float, following: float
) -> None:
    length = dice.lognormvariate(math.log(assumed.training_median), assumed.training_spread)
    end = at + min(max(length, 20.0), assumed.training_longest)
    terminal = dice.random() < assumed.p_training_terminal
    silent = dice.random() < assumed.p_training_silent
    student.trainings.append(Training(at, end))
    _page(assumed, dice, student, at, following)
    until = end
    if dice.random() < assumed.p_training_runaway:
        until = max(end, min(following, end + 3 * DAY))
        student.gpu.append((end, until, 60.0))
    student.processor.append((at, until))
    (student.terminal if terminal else student.kernel).append((at, until))
    if not silent and not terminal:
        student.output.append((at, until))
    _gpu(assumed, dice, student, at, end)
    if dice.random() < assumed.p_training_asks_lease:
        student.leases.append(at)
    later = end + 5 + dice.expovariate(1 / 60)
    if dice.random() < assumed.p_training_stopped_by_hand and later < following:
        student.presses.append(later)


def _gpu(
    assumed: Assumptions, dice: random.Random, student: Student, at: float, end: float
) -> None:
    """The GPU's work, with a pause in some. What is used little is judged in pieces."""
    low = dice.random() < assumed.p_training_low_gpu
    level = dice.uniform(2, 8) if low else dice.uniform(35, 97)
    pauses = dice.random() < assumed.p_training_pauses_gpu
    pause, where = dice.uniform(10, 40), dice.random()
    spans = [(at, end)]
    if pauses and end - at > 60:
        begin = at + where * (end - at - pause)
        spans = [(at, begin), (begin + pause, end)]
    for start, stop in spans:
        if not low:
            student.gpu.append((start, stop, level))
            continue
        at = start
        while at < stop:
            mean = min(max(level * dice.normalvariate(1, _NOISE), 1.0), 100.0)
            student.gpu.append((at, min(at + _SAMPLE, stop), mean))
            at += _SAMPLE

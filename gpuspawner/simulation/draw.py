"""Draw the students of a class. The same seed and assumptions draw the same class."""

from __future__ import annotations

import math
import random

from gpuspawner.simulation.assumptions import DAY, WEEK, Assumptions
from gpuspawner.simulation.leaving import leave
from gpuspawner.simulation.student import Sitting, Student

_LAB_DAYS = (1, 3)  # Tuesday and Thursday
_NOTICE_BLOCK = 20.0
_FREE_HOUR = 20.0


def a_class(assumed: Assumptions, seed: int) -> list[Student]:
    """All students of one term."""
    return [_student(assumed, random.Random(f"{seed}/{i}")) for i in range(assumed.students)]  # noqa: S311


def labs(assumed: Assumptions) -> list[tuple[float, float]]:
    """When there is class."""
    hour = assumed.lab_hour * 60
    starts = [week * WEEK + day * DAY + hour for week in range(assumed.weeks) for day in _LAB_DAYS]
    return [(start, start + assumed.lab_minutes) for start in starts]


def _student(assumed: Assumptions, dice: random.Random) -> Student:
    student = Student()
    blocks = math.ceil(assumed.horizon / _NOTICE_BLOCK)
    student.notices = [dice.random() < assumed.p_notices_warning for _ in range(blocks)]
    student.sittings = _sittings(assumed, dice)
    for index, sitting in enumerate(student.sittings):
        last = index + 1 == len(student.sittings)
        following = assumed.horizon if last else student.sittings[index + 1].start
        _breaks(assumed, dice, student, sitting)
        _messages(assumed, dice, student, sitting)
        leave(assumed, dice, student, sitting, following)
    student.settle()
    return student


def _sittings(assumed: Assumptions, dice: random.Random) -> list[Sitting]:
    comes = dice.betavariate(assumed.attendance_a, assumed.attendance_b)
    keen = dice.gammavariate(assumed.keenness_shape, 1 / assumed.keenness_shape)
    found = []
    for begin, end in labs(assumed):
        start = begin + _clip(dice.normalvariate(1, 3), -8, 25)
        stop = end + _clip(dice.normalvariate(-3, 10), -50, 40)
        if dice.random() < comes:
            found.append(Sitting("lab", start, stop))
    for week in range(assumed.weeks):
        for _ in range(poisson(dice, assumed.free_per_week * keen)):
            start = week * WEEK + dice.randrange(7) * DAY
            start += dice.normalvariate(_FREE_HOUR * 60, 120)
            length = dice.lognormvariate(math.log(assumed.sitting_median), assumed.sitting_spread)
            found.append(Sitting("free", start, start + _clip(length, 12, 360)))
        if (week + 1) % assumed.deadline_every_weeks:
            continue
        for _ in range(poisson(dice, assumed.deadline_sittings * keen)):
            start = (week + 1) * WEEK - 1 - 3 * DAY * dice.betavariate(1, 2.2)
            median = assumed.sitting_median * assumed.deadline_longer
            length = dice.lognormvariate(math.log(median), assumed.sitting_spread)
            found.append(Sitting("deadline", start, start + _clip(length, 15, 420)))
    return _apart(found, assumed.horizon)


def _apart(found: list[Sitting], horizon: float) -> list[Sitting]:
    """Without those that begin less than 20 minutes after another one, or do not fit into the term."""
    kept: list[Sitting] = []
    for sitting in sorted(found, key=lambda one: one.start):
        fits = sitting.start >= 10 and sitting.end <= horizon - DAY
        if fits and (not kept or sitting.start >= kept[-1].end + 20):
            kept.append(sitting)
    return kept


def _breaks(assumed: Assumptions, dice: random.Random, student: Student, sitting: Sitting) -> None:
    """Breaks, and the page: with some of them the laptop is closed."""
    open_since = sitting.start
    if not assumed.breaks_per_hour:
        student.pages.append((sitting.start, sitting.end))
        return
    # Nobody goes as soon as they have come.
    at = sitting.start + 5 + dice.expovariate(1 / 30)
    at += dice.expovariate(assumed.breaks_per_hour / 60)
    while at < sitting.end - 10:
        length = _clip(dice.lognormvariate(math.log(assumed.break_median), 0.7), 4, 150)
        end = min(at + length, sitting.end - 5)
        if end - at <= 3:
            break
        sitting.breaks.append((at, end))
        if dice.random() < assumed.p_break_closes_page:
            student.pages.append((open_since, at))
            open_since = end
        at = end + dice.expovariate(assumed.breaks_per_hour / 60)
    student.pages.append((open_since, sitting.end))


def _messages(
    assumed: Assumptions, dice: random.Random, student: Student, sitting: Sitting
) -> None:
    """What the student does while present, and the cells that it runs."""
    thinks = assumed.p_thinks_in_lab if sitting.kind == "lab" else assumed.p_thinks
    at = sitting.start
    while True:
        if dice.random() < thinks:
            at += max(0.3, dice.lognormvariate(math.log(assumed.thinking_median), 0.7))
        else:
            at += max(0.3, dice.expovariate(1 / assumed.message_mean))
        away = sitting.away(at)
        if away:
            at = away[1]
            continue
        if at >= sitting.end:
            return
        student.messages.append(at)
        student.output.append((at, at + 1))
        if dice.random() < assumed.p_message_runs_cell:
            end = _cell(assumed, dice, student, at, sitting.end)
            if dice.random() < 0.5:
                at = end


def _cell(
    assumed: Assumptions, dice: random.Random, student: Student, at: float, latest: float
) -> float:
    length = _clip(dice.lognormvariate(math.log(assumed.cell_median), 1.3), 1, 45)
    end = min(at + length, latest)
    student.kernel.append((at, end))
    student.processor.append((at, end))
    if dice.random() < assumed.p_cell_prints:
        student.output.append((at, end))
    level = dice.uniform(10, 94)
    if dice.random() < assumed.p_cell_uses_gpu:
        student.gpu.append((at, end, level))
    return end


def poisson(dice: random.Random, mean: float) -> int:
    """How many, with that mean (Knuth's way: the means here are small)."""
    left, count = math.exp(-mean), -1
    product = 1.0
    while product > left:
        product *= dice.random()
        count += 1
    return count if mean > 0 else 0


def _clip(value: float, least: float, most: float) -> float:
    return min(max(value, least), most)

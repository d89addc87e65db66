"""Everything that the model assumes. Each can be changed, and all are printed with the result.

For how often machines are forgotten, pages stay open and kernels hang nobody has published a
figure: those are guesses, and `--sweep` shows what becomes of the result when they are wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

DAY = 1440.0
WEEK = 7 * DAY


@dataclass(frozen=True, slots=True)
class Assumptions:
    """`p_…` are probabilities, `…_median` and `…_mean` minutes, `…_spread` the sigma of a logarithm."""

    students: int = 100
    weeks: int = 15
    price: float = 0.526
    """Dollars an hour, while a machine is on."""

    # Who comes when.
    lab_hour: float = 14.0
    lab_minutes: float = 110.0
    attendance_a: float = 8.0
    attendance_b: float = 2.0
    """A student's chance to come to a lab is drawn from a beta distribution, here with mean 0.8."""
    free_per_week: float = 1.6
    deadline_sittings: float = 3.0
    deadline_every_weeks: int = 3
    keenness_shape: float = 2.0
    """Keenness is drawn from a gamma distribution with mean 1; the two figures above are multiplied by it."""
    sitting_median: float = 75.0
    sitting_spread: float = 0.6
    deadline_longer: float = 1.3

    # What somebody does who is there.
    breaks_per_hour: float = 0.12
    break_median: float = 25.0
    break_needed: float = 30.0
    """A break of at most so many minutes still needs the machine: a live kernel is worth it."""
    p_break_closes_page: float = 0.30
    message_mean: float = 1.5
    p_thinks: float = 0.10
    p_thinks_in_lab: float = 0.20
    thinking_median: float = 7.5
    p_message_runs_cell: float = 0.30
    cell_median: float = 0.9
    p_cell_prints: float = 0.75
    p_cell_uses_gpu: float = 0.60

    # How somebody leaves.
    p_training_free: float = 0.12
    p_training_deadline: float = 0.25
    p_training_lab: float = 0.02
    training_median: float = 150.0
    training_spread: float = 0.7
    training_longest: float = 840.0
    p_training_low_gpu: float = 0.30
    p_training_terminal: float = 0.20
    p_training_silent: float = 0.30
    p_training_pauses_gpu: float = 0.25
    p_training_runaway: float = 0.03
    p_training_asks_lease: float = 0.50
    p_training_stopped_by_hand: float = 0.20
    p_forget: float = 0.45
    p_page_stays_open: float = 0.45
    page_open_median: float = 360.0
    p_remembers: float = 0.25
    remembers_median: float = 180.0
    p_stuck_kernel: float = 0.02
    """Of all sittings without a training; half of these burn the processor, too."""
    p_notices_warning: float = 0.85

    # The machine.
    first_boot: float = 4.0
    boot: float = 1.0
    stopping: float = 0.5

    @property
    def horizon(self) -> float:
        """The end of what is looked at: two days after the term."""
        return self.weeks * WEEK + 2 * DAY


def changed(base: Assumptions, texts: list[str]) -> Assumptions:
    """`base` with each `name=value` of `texts`.

    Raises:
        ValueError: there is no such assumption, or it cannot have that value.
    """
    kinds = {one.name: type(getattr(base, one.name)) for one in fields(base)}
    values = {one.name: getattr(base, one.name) for one in fields(base)}
    for text in texts:
        name, _equals, value = text.partition("=")
        if name not in kinds:
            raise ValueError(f"there is no assumption {name!r}")
        values[name] = kinds[name](value)
        if name.startswith("p_") and not 0 <= values[name] <= 1:
            raise ValueError(f"{name} must be between 0 and 1")
        if not values[name] >= 0:
            raise ValueError(f"{name} must not be negative")
    return Assumptions(**values)

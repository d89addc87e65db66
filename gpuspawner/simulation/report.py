"""Run a class under several rules, and say what came of it: a table, JSON, and whether money lasts."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from gpuspawner.policy.session import Policy
from gpuspawner.simulation import draw
from gpuspawner.simulation.assumptions import DAY, Assumptions
from gpuspawner.simulation.rules import STOCK, Never, Nightly, Quiet, Rule
from gpuspawner.simulation.run import Outcome, run
from gpuspawner.simulation.shipped import Shipped
from gpuspawner.simulation.student import Student

SHIPPED = "shipped"
ORACLE = "oracle"


def rules(assumed: Assumptions, policy: Policy) -> dict[str, Rule]:
    """The rules that are compared, by the name in the JSON, the shipped one last."""
    return {
        "none": Never(),
        "nightly": Nightly(),
        "stock-60": Quiet(60, STOCK),
        "stock-90": Quiet(90, STOCK),
        "busy-60": Quiet(60, ("kernel", "messages", "output", "terminal")),
        "colab": Quiet(90, ("messages",), longest=DAY / 2),
        "gpu-30": Quiet(30, ("gpu",)),
        SHIPPED: Shipped(policy, draw.labs(assumed)),
    }


@dataclass(frozen=True)
class Line:
    """One rule; means over the seeds, with the standard deviation of `bill`.

    `bill` is the hours billed by those of the oracle, `redo` the same with what had been computed
    of killed trainings once more. Shares are percentages. Hours are of one student, `money` is of
    the whole class, `longest_idle` in hours.
    """

    rule: str
    bill: float
    deviation: float
    redo: float
    hours: float
    money: float
    killed: float
    interrupted: float
    cold: float
    idle_hours: float
    longest_idle: float


@dataclass(frozen=True)
class Report:
    """`seeds` are the terms that were played, `weekly` what the shipped rule bills in each, by week."""

    assumed: Assumptions
    seeds: tuple[int, ...]
    lines: tuple[Line, ...]
    sittings: float
    trainings: float
    weekly: tuple[tuple[float, ...], ...]

    def line(self, rule: str) -> Line:
        """The one of a rule."""
        return next(one for one in self.lines if one.rule == rule)

    def to_json(self) -> dict[str, Any]:
        """Everything, with every assumption."""
        return {
            "assumptions": asdict(self.assumed),
            "seeds": list(self.seeds),
            "sittings_per_student": self.sittings,
            "trainings_per_student": self.trainings,
            "rules": [asdict(line) for line in self.lines],
            "shipped_money_by_week": [list(week) for week in self.weekly],
        }


@dataclass(frozen=True)
class Budget:
    """Whether it lasts: in how many of the terms, and what is left on average at the end.

    `ends` are the weeks in which it is used up, counted from 1, of the terms in which it is.
    """

    budget: float
    terms: int
    lasts: int
    left: float
    ends: tuple[int, ...]


def simulate(
    assumed: Assumptions, policy: Policy, seeds: Sequence[int], workers: int = 1
) -> Report:
    """Play so many terms, each under every rule. `workers` processes share the terms."""
    compared = rules(assumed, policy)
    return _report(assumed, seeds, play(assumed, compared, seeds, workers))


def play(
    assumed: Assumptions, compared: Mapping[str, Rule], seeds: Sequence[int], workers: int = 1
) -> list[dict[str, Outcome]]:
    """What came of each term, by rule."""
    return play_all([(assumed, compared, seed) for seed in seeds], workers)


def play_all(
    jobs: Sequence[tuple[Assumptions, Mapping[str, Rule], int]], workers: int = 1
) -> list[dict[str, Outcome]]:
    """What came of each job, by rule: a term with these assumptions and this seed under these rules.

    One pool of processes for all of them. Neighbours with the same term draw it once.
    """
    if workers == 1 or len(jobs) == 1:
        return [_term(*job) for job in jobs]
    with ProcessPoolExecutor(workers) as pool:
        return list(pool.map(_term, *zip(*jobs, strict=True)))


@functools.lru_cache(maxsize=1)
def _class(assumed: Assumptions, seed: int) -> tuple[Student, ...]:
    return tuple(draw.a_class(assumed, seed))


def _term(assumed: Assumptions, compared: Mapping[str, Rule], seed: int) -> dict[str, Outcome]:
    found = {name: Outcome() for name in compared}
    for student in _class(assumed, seed):
        for name, rule in compared.items():
            found[name].add(run(assumed, student, rule))
    return found


def _report(
    assumed: Assumptions, seeds: Sequence[int], terms: Sequence[Mapping[str, Outcome]]
) -> Report:
    lines = [line(assumed, name, [term[name] for term in terms]) for name in terms[0]]
    needed = sum(term[SHIPPED].needed for term in terms)
    hours = needed / 60 / len(terms) / assumed.students
    money = needed / 60 * assumed.price / len(terms)
    oracle = Line(ORACLE, 1.0, 0.0, 1.0, hours, money, 0.0, 0.0, 0.0, 0.0, 0.0)
    people = assumed.students * len(terms)
    return Report(
        assumed,
        tuple(seeds),
        (*lines, oracle),
        sum(term[SHIPPED].sittings for term in terms) / people,
        sum(term[SHIPPED].trainings for term in terms) / people,
        tuple(
            tuple(minutes / 60 * assumed.price for minutes in term[SHIPPED].weekly)
            for term in terms
        ),
    )


def line(assumed: Assumptions, name: str, outcomes: Sequence[Outcome]) -> Line:
    """One line of the table, of several terms."""
    whole = Outcome()
    for outcome in outcomes:
        whole.add(outcome)
    people = assumed.students * len(outcomes)
    bills = [_share(one.billed, one.needed) for one in outcomes]
    return Line(
        rule=name,
        bill=_share(whole.billed, whole.needed),
        deviation=statistics.stdev(bills) if len(bills) > 1 else 0.0,
        redo=_share(whole.billed + whole.redo, whole.needed),
        hours=whole.billed / 60 / people,
        money=whole.billed / 60 * assumed.price / len(outcomes),
        killed=100 * _share(whole.killed, whole.trainings),
        interrupted=100 * _share(whole.interrupted, whole.sittings),
        cold=100 * _share(whole.cold, whole.sittings),
        idle_hours=whole.idle / 60 / people,
        longest_idle=whole.longest_idle / 60,
    )


def lasts(report: Report, budget: float) -> Budget:
    """Whether the budget lasts with the shipped rule, term by term."""
    ends = []
    for term in report.weekly:
        spent = 0.0
        for week, money in enumerate(term, 1):
            spent += money
            if spent > budget:
                ends.append(min(week, report.assumed.weeks))
                break
    left = budget - statistics.mean(sum(term) for term in report.weekly)
    terms = len(report.weekly)
    return Budget(budget, terms, terms - len(ends), left, tuple(sorted(ends)))


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0

"""Prometheus: the class's money, without anybody's name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Connection

from gpuspawner.policy.money import MICROS, Book
from gpuspawner.store import ledger
from gpuspawner.store.ledger.standing import Pool

_STEPS = (0, 1, 5, 10, 50)
"""The bounds of the histogram of balances, in units."""


@dataclass(frozen=True, slots=True)
class Money:
    """What is read for one look: `balances` are those of the students, in micros, without names."""

    unit: str
    cost_unit: str
    pool: Pool
    charge_per_hour: int
    cost_per_hour: int
    balances: tuple[int, ...]


def read(c: Connection, now: int) -> Money:
    """Everything that the collector shows."""
    course = ledger.course(c)
    burn = ledger.burn(c, course.id)
    return Money(
        course.unit,
        course.cost_unit,
        ledger.pool_summary(c, course.id),
        burn[Book.CHARGE],
        burn[Book.COST],
        tuple(one.live for one in ledger.standings(c, course.id, now)),
    )


class MoneyCollector(Collector):
    """One look at the money. `refusals` is how often each kind of error was answered, by its code."""

    def __init__(self, money: Money, refusals: Counter[str]) -> None:
        self._money, self._refusals = money, refusals

    def collect(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        """The metrics."""
        money, unit = self._money, self._money.unit
        pool = GaugeMetricFamily(
            "gpuspawner_credit",
            "The class's money, in units of the class.",
            labels=["where", "unit"],
        )
        for where in ("funded", "pool", "held", "students", "spent", "expired", "written_off"):
            pool.add_metric([where, unit], getattr(money.pool, where) / MICROS)
        yield pool
        cost = GaugeMetricFamily(
            "gpuspawner_cloud_cost", "What the cloud is owed by the ledger.", labels=["unit"]
        )
        cost.add_metric([money.cost_unit], money.pool.cost / MICROS)
        yield cost
        burn = GaugeMetricFamily(
            "gpuspawner_credit_per_hour", "What an hour of all that is on costs.", labels=["book", "unit"]
        )  # fmt: skip
        burn.add_metric(["charge", unit], money.charge_per_hour / MICROS)
        burn.add_metric(["cost", money.cost_unit], money.cost_per_hour / MICROS)
        yield burn
        students = GaugeMetricFamily(
            "gpuspawner_students", "Students whose balance is at most so many units.", labels=["at_most"]
        )  # fmt: skip
        for step in _STEPS:
            students.add_metric([str(step)], sum(one <= step * MICROS for one in money.balances))
        students.add_metric(["+Inf"], len(money.balances))
        yield students
        refused = CounterMetricFamily(
            "gpuspawner_refusals", "Requests that were refused, by the code of the error.", labels=["code"]
        )  # fmt: skip
        for code, times in sorted(self._refusals.items()):
            refused.add_metric([code], times)
        yield refused

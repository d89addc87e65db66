"""What students' machines say that they measured: the newest of each student, and no more than that."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import func, select

from gpuspawner.model import Owner
from gpuspawner.policy.comparison import Measured, Middle
from gpuspawner.store import benchmarks, ledger, schema
from gpuspawner.store.benchmarks import MOST, Told
from gpuspawner.store.database import Connection, Database
from tests.store.wishes import at, run

T4 = Measured("matmul_fp32", "gpu", "Tesla T4")
CPU = Measured("matmul_fp32", "cpu", "2 x Intel(R) Xeon(R) CPU @ 2.50GHz")
NOW = at(1000)


def begin(c: Connection) -> None:
    ledger.configure_course(c, unit="USD", cost_unit="USD", timezone="Asia/Seoul")


def tell(
    c: Connection, who: str, value: float, seconds: float = 0, what: Measured = T4, **changes: Any
) -> None:
    told = {"backend": "torch", "scale": "quick", "figures": ((what, value),)} | changes
    benchmarks.keep(c, Owner(f"7.{who}", who, ""), Told(measured_at=at(seconds), **told), NOW)


def stored(c: Connection) -> int:
    return c.execute(select(func.count()).select_from(schema.benchmarks)).scalar_one()


async def test_the_newest_figure_of_each_student_counts_once(database: Database) -> None:
    def play(c: Connection) -> tuple[list[Middle], int]:
        begin(c)
        for who, value in (("alice", 5.0), ("bob", 6.0), ("carol", 7.0)):
            tell(c, who, value)
            tell(c, who, value)  # the answer was lost, so it is told again
        tell(c, "carol", 1.0, seconds=20)
        tell(c, "carol", 9.0, seconds=10)  # an earlier run, told later
        return benchmarks.compared(c, "torch", "quick"), stored(c)

    assert await database.run(play) == ([Middle(T4, 5.0, 3)], 3)


async def test_runs_of_another_framework_or_scale_are_not_compared(database: Database) -> None:
    def play(c: Connection) -> list[Any]:
        begin(c)
        for who in ("alice", "bob"):
            tell(c, who, 5.0)
        tell(c, "carol", 5.0, backend="jax")
        tell(c, "carol", 5.0, scale="full")
        tell(c, "carol", 5.0, what=CPU)
        return [benchmarks.compared(c, *of) for of in (("torch", "quick"), ("jax", "quick"))]

    assert await database.run(play) == [[], []]


async def test_a_clock_that_is_ahead_keeps_no_figure_for_ever(database: Database) -> None:
    def play(c: Connection) -> list[Middle]:
        begin(c)
        for who in ("alice", "bob", "carol"):
            tell(c, who, 5.0, seconds=9e8)
        for who in ("alice", "bob", "carol"):
            tell(c, who, 6.0, seconds=9e8)
        return benchmarks.compared(c, "torch", "quick")

    assert await database.run(play) == [Middle(T4, 6.0, 3)]


async def test_of_one_student_a_bounded_number_is_kept_the_newest(database: Database) -> None:
    def play(c: Connection) -> tuple[int, int, float]:
        begin(c)
        for number in range(MOST + 30):
            tell(c, "alice", 1.0 + number, seconds=number, backend=f"backend{number}")
        tell(c, "bob", 1.0)
        table = schema.benchmarks
        least = select(func.min(table.c.value)).where(table.c.value > 1)
        return stored(c), MOST + 1, c.execute(least).scalar_one()

    found, most, oldest = await database.run(play)
    assert (found, oldest) == (most, 31.0)


async def test_a_person_may_see_what_is_kept_and_have_it_erased(database: Database) -> None:
    def play(c: Connection) -> tuple[Any, Any, list[Middle], int]:
        begin(c)
        for who in ("alice", "bob", "carol"):
            tell(c, who, 5.0)
        alice = ledger.find_person(c, "alice").id
        before = ledger.export_person(c, alice)["benchmarks"]
        ledger.erase_person(c, alice, now=1_795_424_400)
        after = ledger.export_person(c, alice)["benchmarks"]
        return before, after, benchmarks.compared(c, "torch", "quick"), stored(c)

    before, after, told, left = await database.run(play)
    assert json.loads(json.dumps(before)) == [
        {
            "measure": "matmul_fp32", "kind": "gpu", "device": "Tesla T4", "backend": "torch",
            "scale": "quick", "value": 5.0, "measured_at": at(0).isoformat(),
        }
    ]  # fmt: skip
    assert (after, told, left) == ([], [], 2)


@pytest.mark.parametrize("wakes", ["benchmark", "start"])
async def test_a_figure_wakes_nobody(database: Database, wakes: str) -> None:
    woken: list[str] = []
    await database.run(begin)
    await database.run(tell, "alice", 5.0)
    database.on_change(lambda: woken.append("looked"))
    if wakes == "benchmark":
        await database.run(tell, "alice", 6.0, 10)
    else:
        await database.run(run)
    assert woken == (["looked"] if wakes == "start" else [])

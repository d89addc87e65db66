"""A morning of a small class: every second that the cloud bills is in the books, and no other."""

from __future__ import annotations

import pytest

from tests.faults.bill_week import Pace, Week

PACE = Pace(visits=12, controller=20, hub=3, throttling=12, prices=30)
KILLED = ("kill -9 of the controller in a pass", "kill -9 of the hub")


@pytest.mark.ledger("I15")
@pytest.mark.timeout(300)
async def test_the_cost_book_is_the_bill_whoever_is_killed_and_whatever_is_throttled_or_repriced(
    tmp_path,
):
    week = Week(tmp_path, students=4, seed=7, credit=1.0, pace=PACE)
    try:
        await week.begin()
        for days in (0.18, 0.06, 0.06, 0.06):
            await week.lives(days)
            if all(week.found.counts[kind] for kind in KILLED):
                break
        found = await week.ends()
    finally:
        await week.close()
    assert (found.differences, found.orphan_meters, found.unmetered) == ([], 0, 0), found
    assert (found.lowest >= 0, found.unsound) == (True, []), found
    assert all(found.counts[kind] for kind in KILLED), found
    assert found.bill > 500_000, found

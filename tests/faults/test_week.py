"""A morning of a small class: every second that the cloud bills is in the books, and no other."""

from __future__ import annotations

import pytest

from tests.faults.bill_week import Week

pytestmark = pytest.mark.emulator


@pytest.mark.ledger("I15")
async def test_the_cost_book_is_the_bill_whatever_is_throttled_killed_or_repriced(tmp_path):
    week = Week(tmp_path, students=8, seed=7, credit=1.0, visits=12)
    try:
        await week.begin()
        await week.lives(days=0.12)
        found = await week.ends()
    finally:
        await week.close()
    assert (found.differences, found.orphan_meters, found.unmetered) == ([], 0, 0), found
    assert (found.lowest, found.unsound) == (0, []), found
    assert found.counts["starts"] > 3, found
    assert found.bill > 500_000, found

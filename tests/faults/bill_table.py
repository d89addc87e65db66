"""A row of the page "What happens to your bill when…", beside the test that proves it.

The page is made from these rows (`docs/_ext/bill_page.py`), which are read and not run: everything
in them is a plain string.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Test = TypeVar("Test", bound=Callable[..., Any])


def bill(
    group: str, *, when: str, happens: str, billed: str, student: str
) -> Callable[[Test], Test]:
    """Mark a test as the proof of one row.

    Args:
        group: the heading that the row stands under.
        when: completes "What happens to your bill when …".
        happens: what the hub and the controller do.
        billed: what the cloud bills.
        student: what the student sees, and can do.
    """
    row = {"group": group, "when": when, "happens": happens, "billed": billed, "student": student}
    assert all(row.values()), row

    def mark(test: Test) -> Test:
        test.bill = row  # type: ignore[attr-defined]
        return test

    return mark

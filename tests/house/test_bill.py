"""The page "What happens to your bill when…" and its tests say the same."""

from __future__ import annotations

import ast
from collections import Counter

import bill_page

from tests.house import sources

PAGE = sources.ROOT / "docs" / "what-happens-to-your-bill.md"


def written_tests():
    """Every test of the bill's files, with how many rows stand at it."""
    return {
        (path.name, node.name): sum(
            isinstance(mark, ast.Call) and ast.unparse(mark.func) == "bill"
            for mark in node.decorator_list
        )
        for path in sorted(bill_page.TESTS.glob("test_bill_*.py"))
        for node in sources.tree(path).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    }


def test_every_test_of_the_bill_has_exactly_one_row():
    tests = written_tests()
    assert len(tests) > 30
    assert {test: rows for test, rows in tests.items() if rows != 1} == {}


def test_every_row_is_that_of_a_test_and_stands_on_the_page():
    rows = list(bill_page.rows())
    assert {(row.file, row.test) for row in rows} == set(written_tests())
    page = bill_page.bill()
    missing = [row.test for row in rows if f"`{row.test}`" not in page or row.when not in page]
    assert missing == []
    assert "% generated: bill" in PAGE.read_text()


def test_no_two_rows_say_the_same():
    counted = Counter(row.when for row in bill_page.rows())
    assert [when for when, count in counted.items() if count > 1] == []


def test_no_row_breaks_the_table():
    texts = [getattr(row, column) for row in bill_page.rows() for column in bill_page.COLUMNS]
    assert [text for text in texts if not text.strip() or "|" in text or "\n" in text] == []


def test_every_group_has_rows():
    assert {row.group for row in bill_page.rows()} == set(bill_page.GROUPS)

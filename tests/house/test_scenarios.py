"""Every fault of the list is proven by a test that exists, and the page of faults says so."""

from __future__ import annotations

import ast

import fault_page

from tests.faults import scenarios
from tests.house import sources


def functions(path: str) -> set[str]:
    """The tests in a file."""
    tree = ast.parse((sources.ROOT / path).read_text(encoding="utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    }


def test_every_fault_has_a_test():
    proofs = fault_page.proofs()
    assert [number for number in scenarios.SCENARIOS if not proofs.get(number)] == []


def test_every_proof_is_of_a_fault_of_the_list():
    assert set(fault_page.proofs()) - set(scenarios.SCENARIOS) == set()


def test_every_test_that_is_named_exists():
    named = {test for tests in fault_page.proofs().values() for test in tests}
    assert named
    assert [
        test for test in named if test.split("::")[1] not in functions(test.split("::")[0])
    ] == []


def test_the_page_names_every_fault_and_every_test():
    page = fault_page.faults()
    for fault, outcome in scenarios.SCENARIOS.values():
        assert fault in page
        assert outcome in page
    for tests in fault_page.proofs().values():
        for test in tests:
            assert test.split("::")[1] in page


def test_a_fault_without_a_test_would_be_noticed(tmp_path, monkeypatch):
    """Without any marks, only what other folders prove is proven."""
    monkeypatch.setattr(fault_page, "MARKED", tmp_path)
    assert set(fault_page.proofs()) == set(scenarios.PROVEN_ELSEWHERE)


def test_a_mark_is_read_as_python_reads_it():
    marked = [
        (number, test)
        for number, tests in fault_page.proofs().items()
        for test in tests
        if "test_two_hubs.py" in test
    ]
    assert (24, "tests/faults/test_two_hubs.py::" + LOST) in marked
    assert (28, "tests/faults/test_two_hubs.py::" + LOST) in marked


LOST = "test_a_hub_that_has_lost_its_database_finds_its_own_machines_and_no_others"

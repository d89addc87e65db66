"""Who has which output: pure."""

from __future__ import annotations

import pytest

from labs_extension.outputs.notebook import put
from labs_extension.outputs.records import MOST_RUNS, SILENCE_SECONDS, SLOW_SAVE_SECONDS, Records
from tests.labs_extension.hand_clock import HandClock

BIG = 1 << 20


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def records(clock) -> Records:
    made = Records(clock, BIG, 4 * BIG, 1000)
    made.belongs("k", "a", ("one.ipynb",))
    made.came("k", "a")
    return made


def ask(records: Records, name: str, page: str = "a", code: str = "code", **metadata) -> None:
    records.asked("k", page, name, {"cellId": name, **metadata}, {"code": code})


def hear(records: Records, request: str, kind: str, size: int = 1, **content) -> bool:
    message = {
        "header": {"msg_type": kind},
        "parent_header": {"msg_id": request},
        "content": content,
    }
    return records.hear("k", message, size)


def start(records: Records, name: str, page: str = "a", text: str = "", **metadata) -> None:
    """The page runs a cell, which prints something."""
    ask(records, name, page, **metadata)
    hear(records, name, "execute_input", execution_count=1)
    hear(records, name, "stream", name="stdout", text=text or f"{name}\n")


def finish(records: Records, name: str) -> None:
    hear(records, name, "status", execution_state="idle")


def names(records: Records) -> list[str]:
    return [run.name for run in records.runs]


def news(records: Records, page: str, after: int = 0) -> tuple[list[str], bool]:
    runs, coming = records.news("k", page, "one.ipynb", after)
    return [run.name for run in runs], coming


def write(records: Records) -> list[str]:
    """Everything is written to its file; what it was."""
    written = [run.name for run in records.unsaved()]
    for run in records.unsaved():
        records.wrote(run, run.version)
    return written


def test_what_a_page_heard_and_saved_is_forgotten(records, clock):
    start(records, "x")
    finish(records, "x")
    assert (write(records), news(records, "a")) == (["x"], ([], False))
    assert names(records) == []
    start(records, "y")
    finish(records, "y")
    records.saved("one.ipynb", {})
    assert names(records) == ["y"]  # what was saved may be older than what was heard
    clock.at += SLOW_SAVE_SECONDS + 1
    records.saved("other.ipynb", {})
    assert names(records) == ["y"]
    records.saved("one.ipynb", {})
    assert names(records) == []


def test_a_cell_that_runs_is_not_forgotten_by_a_save(records, clock):
    start(records, "x")
    clock.at += 1000
    records.saved("one.ipynb", {"x": "code"})
    assert (names(records), records.runs[0].saved_since) == (["x"], True)


def test_another_page_is_told_of_a_run_when_its_own_page_has_gone(records):
    start(records, "x")
    records.belongs("k", "b", ("one.ipynb",))
    records.came("k", "b")
    assert news(records, "b") == ([], True)
    after = records.version
    records.left("k", "a")
    assert news(records, "b", after) == (["x"], True)
    after = records.version
    assert news(records, "b", after) == ([], True)
    finish(records, "x")
    assert news(records, "b", after) == (["x"], False)


def test_a_page_that_comes_back_is_told_what_may_not_have_arrived(records, clock):
    start(records, "early")
    finish(records, "early")
    clock.at += SILENCE_SECONDS + 1
    start(records, "late")
    records.left("k", "a")
    start(records, "meanwhile")  # asked for before, and kept for the page by Jupyter
    records.came("k", "a")
    assert records.has_returned("k", "a")
    assert news(records, "a") == (["late"], True)


def test_a_page_whose_dead_connection_nobody_noticed_is_told_too(records):
    start(records, "x")
    records.came("k", "a")
    records.left("k", "a")
    assert records.there("k")
    assert news(records, "a") == (["x"], True)


def test_messages_that_were_thrown_away_are_told(records):
    records.left("k", "a")
    ask(records, "x")
    assert not hear(records, "x", "execute_input", 900, execution_count=1)
    assert hear(records, "x", "stream", 900, name="stdout", text="x")
    records.given_up("k")
    assert write(records) == ["x"]
    finish(records, "x")
    write(records)
    assert names(records) == ["x"]  # its page needs it yet
    records.came("k", "a")
    assert (news(records, "a"), records.has_returned("k", "a")) == ((["x"], False), True)
    assert (news(records, "a", records.version), names(records)) == (([], False), [])


def test_a_page_that_another_one_replaced_has_not_returned(records):
    records.left("k", "a")
    records.came("k", "b")
    records.came("k", "a")
    assert not records.has_returned("k", "a")


@pytest.mark.parametrize("state", ["starting", "restarting", "dead"])
def test_a_kernel_that_starts_again_ends_its_cells(records, state):
    start(records, "x")
    ask(records, "queued")
    hear(records, "", "status", execution_state=state)
    assert [(run.name, run.finished) for run in records.runs] == [("x", True)]


def test_what_is_run_again_or_deleted_replaces_what_was(records):
    start(records, "x")
    start(records, "y")
    records.asked("k", "a", "again", {"cellId": "x", "deletedCells": ["y"]}, {"code": "new"})
    assert [(run.name, run.code) for run in records.runs] == [("again", "new")]


def test_what_is_no_cell_is_not_remembered(records):
    records.asked("k", "a", "x", {}, {"code": "1"})
    records.asked("k", "a", "y", {"cellId": "y"}, {"code": "1", "silent": True})
    assert names(records) == []


def test_a_display_is_changed_by_a_later_cell(records):
    ask(records, "x")
    hear(records, "x", "execute_input", execution_count=1)
    shown = {"metadata": {}, "transient": {"display_id": "bar"}}
    hear(records, "x", "display_data", data={"text/plain": "0 %"}, **shown)
    finish(records, "x")
    start(records, "y")
    hear(records, "y", "update_display_data", data={"text/plain": "9 %"}, **shown)
    (output,) = records.runs[0].outputs.as_notebook()
    assert output["data"] == {"text/plain": "9 %"}
    assert [run.name for run in records.unsaved()] == ["x", "y"]


def test_memory_is_bounded_and_what_a_page_has_goes_first(clock):
    records = Records(clock, BIG, 3000, 1000)
    records.came("k", "a")
    start(records, "running", text="r" * 1000)
    start(records, "seen", text="s" * 1000)
    finish(records, "seen")
    start(records, "new", text="n" * 1000)
    assert names(records) == ["running", "new"]
    for n in range(MOST_RUNS + 10):
        ask(records, str(n))
    assert len(records.runs) == MOST_RUNS


def test_outputs_of_a_notebook_from_before_cells_had_names_are_found_by_the_code(records):
    ask(records, "x", code="print(1)")
    start(records, "x", code="")
    records.runs[0].code = "print(1)"
    cells = [
        {"cell_type": "markdown", "source": "print(1)", "metadata": {}},
        {"cell_type": "code", "source": "print(1)", "metadata": {}, "outputs": []},
    ]
    notebook = {"nbformat": 4, "nbformat_minor": 2, "cells": cells}
    assert put(notebook, records.runs, add=True) == (True, [])
    assert cells[1]["outputs"] == [{"output_type": "stream", "name": "stdout", "text": "x\n"}]
    assert put(notebook, records.runs, add=True) == (False, [])
    ask(records, "new", code="print(2)")
    assert put(notebook, records.runs[1:], add=False) == (False, records.runs[1:])
    assert put(notebook, records.runs[1:], add=True) == (True, [])
    assert [sorted(cell) for cell in notebook["cells"][2:]] == [
        ["cell_type", "execution_count", "metadata", "outputs", "source"]
    ]

"""The student's path on an emulated Azure, where off is not off: what is merely stopped is billed."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from playwright.sync_api import expect

from tests.end_to_end.classroom import Classroom, wait_until
from tests.end_to_end.student import Student

SECOND = 1
"""The ledger counts whole seconds, between those in which both ends were; the bill tells moments."""


@pytest.fixture
def student(browser_page, azure_classroom, shots):
    """Log somebody in, and start a T4: `student("student1")`."""

    def begin(name: str) -> Student:
        one = Student(browser_page, azure_classroom, name, shots)
        one.logs_in()
        one.picks("One T4")
        return one

    return begin


def test_a_stop_deallocates_and_the_next_start_resizes_and_keeps_the_files(
    student, azure_classroom: Classroom
):
    room, alice = azure_classroom, student("student1")
    expect(alice.page.locator(".gs-card", has_text="One T4")).to_contain_text("$0.526")
    alice.shoots("azure-cards")
    alice.presses_start()
    alice.reaches_lab()
    alice.runs_a_cell("open('kept.txt', 'w').write('kept'); print(6 * 7)")
    alice.sees_output("42")
    machine = room.machine("student1")
    assert machine["type"] == "Standard_NC4as_T4_v3"

    alice.stops()
    room.becomes("student1", "deallocated")
    alice.sees_it_off()

    alice.picks("One T4")
    alice.page.get_by_label("Processor and memory").select_option(index=1)
    alice.presses_start()
    alice.reaches_lab()
    resized = room.machine("student1")
    assert (resized["id"], resized["type"]) == (machine["id"], "Standard_NC8as_T4_v3")
    assert alice.file("kept.txt") == "kept"


def test_a_poweroff_is_deallocated_ends_the_session_and_is_charged_to_the_second(
    student, azure_classroom: Classroom
):
    room, bob = azure_classroom, student("student2")
    bob.presses_start()
    bob.reaches_lab()
    mine = room.machine("student2")["id"]
    bob.runs_a_cell("!sudo poweroff")
    room.becomes("student2", "deallocated")
    happened = [one["event"] for one in room.cloud("events")["events"] if one["id"] == mine]
    assert happened[-3:] == ["stopped", "deallocating", "deallocated"]
    wait_until(lambda: room.hub("GET", "users/student2")["servers"] == {}, 60, room.world)
    bob.opens("services/gpuspawner/")
    expect(bob.page.get_by_text("switched off from inside")).to_be_visible()
    bob.shoots("azure-switched-off")

    [line] = [
        one for one in room.cloud("bill")["lines"] if (one["kind"], one["id"]) == ("machine", mine)
    ]
    seconds = wait_until(lambda: charged(room, "student2", duration(line)), 30, room.world)
    assert abs(seconds - duration(line)) < SECOND, (line, seconds)


def charged(room: Classroom, student: str, least: float) -> int:
    """How many seconds of computing the student was charged for, once it is nearly `least` at all."""
    told = json.loads(room.command("credits", "statement", student, "--json"))
    seconds = sum(one["seconds"] for one in told["lines"] if one["component"] == "compute")
    return seconds if seconds > least - SECOND else 0


def duration(line: dict[str, str]) -> float:
    """The length of a line of the bill, in seconds."""
    begin, end = (
        datetime.fromisoformat(line[key].replace("Z", "+00:00")) for key in ("from", "to")
    )
    return (end - begin).total_seconds()

"""The student's path, in a real browser, on real processes, against an emulated EC2."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect

from tests.end_to_end.classroom import Classroom, wait_until
from tests.end_to_end.student import Student

WRITE = "open('/home/student/kept.txt', 'w').write('kept'); print(6 * 7)"


@pytest.fixture
def student(browser_page, classroom, shots):
    """Log somebody in: `student("student1")`."""

    def log_in(name: str) -> Student:
        one = Student(browser_page, classroom, name, shots)
        one.logs_in()
        return one

    return log_in


def test_a_student_works_stops_and_comes_back_faster_to_the_same_files(
    student, classroom: Classroom
):
    alice = student("student1")
    alice.shoots("home")

    alice.picks("One T4")
    card = alice.page.locator(".gs-card", has_text="One T4")
    for fact in ("$0.526", "4 vCPU", "16 GiB", "T4"):
        expect(card).to_contain_text(fact)
    expect(alice.page.get_by_text("One L40S")).to_have_count(0)
    alice.shoots("cards")

    begun = time.monotonic()
    alice.presses_start()
    expect(alice.page.get_by_role("heading", name="Your machine is starting")).to_be_visible()
    expect(alice.page.locator("#gs-clock")).not_to_have_text("0:00")
    alice.page.reload()
    expect(alice.page.locator("#gs-clock")).not_to_have_text("0:00")
    expect(alice.page.locator("li[data-stage=machine]")).to_be_visible()
    alice.shoots("progress")
    alice.reaches_lab()
    first = time.monotonic() - begun

    for language in ("en", "ko"):
        assert alice.file(f"course/{language}/00_start_here.ipynb")["nbformat"] == 4
    alice.runs_a_cell(WRITE)
    alice.sees_output("42")
    alice.shoots("lab")

    machine = classroom.machine("student1")
    assert (machine["state"], machine["type"]) == ("running", "g4dn.xlarge")
    alice.stops()
    classroom.becomes("student1", "stopped")
    alice.sees_it_off()
    alice.shoots("home-stopped")
    alice.opens("user/student1/lab")
    expect(alice.page.get_by_text("Your machine is not running")).to_be_visible()
    alice.shoots("not-running")

    alice.picks("One T4")
    expect(alice.page.locator(".gs-card", has_text="One T4")).to_contain_text("Usual start")
    begun = time.monotonic()
    alice.presses_start()
    alice.reaches_lab()
    second = time.monotonic() - begun
    assert second < first
    assert alice.file("kept.txt") == "kept"
    assert classroom.machine("student1")["id"] == machine["id"]


def test_another_size_and_a_deleted_machine_keep_the_files(student, classroom: Classroom):
    ivan = student("student9")
    ivan.picks("One T4")
    ivan.presses_start()
    ivan.reaches_lab()
    ivan.runs_a_cell(WRITE)
    ivan.sees_output("42")
    machine = classroom.machine("student9")

    ivan.stops()
    classroom.becomes("student9", "stopped")
    ivan.sees_it_off()
    ivan.picks("One A10G")
    ivan.presses_start()
    ivan.reaches_lab()
    resized = classroom.machine("student9")
    assert (resized["id"], resized["type"]) == (machine["id"], "g5.xlarge")
    assert ivan.file("kept.txt") == "kept"

    claim = classroom.claim("student9")["name"]
    [home] = classroom.homes(claim)
    ivan.opens("services/gpuspawner/")
    expect(ivan.page.get_by_role("cell", name="One A10G")).to_be_visible()
    ivan.shoots("machines")
    ivan.page.on("dialog", lambda dialog: dialog.accept())
    ivan.page.get_by_role("button", name="Delete the machine").click()
    wait_until(lambda: not classroom.machines(claim), 60, classroom.world)
    assert [one["id"] for one in classroom.homes(claim)] == [home["id"]]

    ivan.opens("hub/home")
    ivan.sees_it_off()
    ivan.picks("One T4")
    ivan.presses_start()
    ivan.reaches_lab()
    assert classroom.machine("student9")["id"] != machine["id"]
    assert ivan.file("kept.txt") == "kept"


def test_a_cancelled_start_leaves_nothing_billed(student, classroom: Classroom):
    bob = student("student2")
    bob.picks("One T4")
    bob.presses_start()
    expect(bob.page.locator("li[data-stage=machine]")).to_be_visible()
    wait_until(lambda: classroom.machine("student2"), 30, classroom.world)
    bob.page.get_by_role("button", name="Cancel the start").click()
    bob.shoots("cancelling")
    classroom.becomes("student2", "stopped")
    wait_until(lambda: classroom.hub("GET", "users/student2")["servers"] == {}, 30, classroom.world)


def test_a_named_server_has_its_own_home_and_its_deletion_keeps_it(student, classroom: Classroom):
    carol = student("student3")
    carol.picks("One T4", "project")
    carol.presses_start()
    carol.reaches_lab("project")
    claim = classroom.claim("student3", "project")["name"]
    assert classroom.claim("student3") is None
    assert len(classroom.homes(claim)) == 1

    carol.opens("hub/home")
    carol.page.locator("#stop-project").click()
    classroom.becomes("student3", "stopped", "project")
    expect(carol.page.locator("#delete-project")).to_be_visible()
    carol.page.on("dialog", lambda dialog: dialog.accept())
    carol.page.wait_for_function("window._jupyterhub_page_loaded === true")
    carol.shoots("home-named")
    carol.page.locator("#delete-project").click()
    wait_until(lambda: not classroom.machines(claim), 60, classroom.world)
    assert len(classroom.homes(claim)) == 1


def test_deleting_a_user_deletes_the_machine_and_keeps_the_home(student, classroom: Classroom):
    dave = student("student4")
    dave.picks("One T4")
    dave.presses_start()
    dave.reaches_lab()
    claim = classroom.claim("student4")["name"]
    classroom.forgets("student4")
    wait_until(lambda: not classroom.machines(claim), 90, classroom.world)
    assert len(classroom.homes(claim)) == 1


def test_poweroff_typed_by_a_student_ends_that_machine_and_says_so(student, classroom: Classroom):
    erin = student("student5")
    erin.picks("One T4")
    erin.presses_start()
    erin.reaches_lab()
    others = {one["id"]: one["state"] for one in classroom.machines()}
    mine = classroom.machine("student5")["id"]

    erin.runs_a_cell("!sudo poweroff")
    classroom.becomes("student5", "stopped")

    wait_until(lambda: classroom.hub("GET", "users/student5")["servers"] == {}, 60, classroom.world)
    erin.opens("services/gpuspawner/")
    expect(erin.page.get_by_text("switched off from inside")).to_be_visible()
    erin.shoots("switched-off")
    after = {one["id"]: one["state"] for one in classroom.machines()}
    assert {**others, mine: "stopped"} == after
    assert classroom.process.poll() is None


def test_no_capacity_is_a_sentence_on_the_page_and_nothing_is_billed(student, classroom: Classroom):
    # A size of its own: a refusal is remembered for minutes, and the other tests need theirs.
    for zone in "abcdef":
        rule = {"kind": "capacity", "type": "g4dn.2xlarge", "zone": f"us-east-1{zone}", "limit": 0}
        classroom.cloud("faults", "POST", rule)
    try:
        frank = student("student6")
        frank.picks("One T4")
        frank.page.get_by_label("Processor and memory").select_option(label="8 vCPU, 32 GiB")
        frank.presses_start()
        said = frank.page.get_by_text(re.compile("The cloud has no free machine of this kind"))
        expect(said.first).to_be_visible()
        expect(said.first).to_contain_text(re.compile("Free now: .*g4dn.xlarge"))
        frank.shoots("no-capacity")
        assert classroom.machine("student6") is None
    finally:
        classroom.cloud("faults", "DELETE")


def test_quota_zero_is_a_sentence_on_the_page_and_the_details_are_the_admins(
    student, classroom: Classroom
):
    classroom.cloud("faults", "POST", {"kind": "quota", "code": "L-DB2E81BA", "limit": 0})
    try:
        teacher = student("teacher")
        teacher.picks("One L40S")  # a size that no other test starts
        teacher.presses_start()
        said = teacher.page.get_by_text(re.compile("reached the cloud account's limit"))
        expect(said.first).to_be_visible()
        teacher.shoots("quota")
        assert classroom.machine("teacher") is None
        assert "VcpuLimitExceeded" in classroom.command("status")
        expect(teacher.page.get_by_text("VcpuLimitExceeded")).to_have_count(0)
        teacher.opens("hub/spawn")
        card = teacher.page.locator(".gs-card", has_text="One L40S")
        expect(card).to_contain_text("Not available now")
        teacher.shoots("cards-not-available")
    finally:
        classroom.cloud("faults", "DELETE")


def test_the_pages_speak_korean_when_asked(student, shots, classroom: Classroom):
    heidi = student("student8")
    heidi.page.get_by_role("link", name="한국어").click()
    expect(heidi.page.locator("html")).to_have_attribute("lang", "ko")
    heidi.opens("hub/spawn")
    expect(heidi.page.get_by_role("button", name="Start this machine")).to_have_count(0)
    heidi.shoots("cards-ko")
    heidi.opens("services/gpuspawner/")
    expect(heidi.page.locator("html")).to_have_attribute("lang", "ko")
    heidi.shoots("machines-ko")

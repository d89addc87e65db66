"""A class with credit, from the student's click to the stop: a real hub and the real controller."""

from __future__ import annotations

import pytest
from traitlets.config import Config

from gpuspawner.model import Desired, Power, Reason
from gpuspawner.policy.money import Rate
from gpuspawner.settings import Credit
from gpuspawner.store import ledger
from tests.hub.school import school

UNIT = 1_000_000
RATE = Rate(UNIT, 1)
"""A unit a second: what takes an hour in a class takes seconds here."""

CREDIT = {
    "course_credit": 1000.0, "session_hold": 2.0, "tick": 1.0, "stop_latency": 3.0,
    "warnings": [4.0], "grace": 0.0,
}  # fmt: skip


def credit(**more):
    return Credit(config=Config({"Credit": CREDIT | more})).record()


def standing(c, name):
    course = ledger.course(c)
    person = ledger.find_person(c, name)
    return ledger.standing(c, ledger.student_account(c, course.id, person.id).id, 0)


@pytest.fixture
async def stage(hub_app, tidy, server_url, tmp_path, monkeypatch, request):
    settings = credit(**request.param)
    async with school(
        hub_app, tidy, server_url, tmp_path, monkeypatch, credit=settings, rate=RATE
    ) as one:
        yield one


@pytest.mark.parametrize("stage", [{"student_credit": 1.0}], indirect=True)
async def test_a_start_without_credit_is_refused_with_what_there_is_and_what_is_needed(stage):
    stage.student()
    answer = await stage.start()
    assert answer.status_code == 409
    assert answer.json()["message"].startswith(
        "You have $1.00 of credit, and this machine needs $6.00 to start."
    )
    assert (await stage.machines(), stage.view()) == ([], None)


@pytest.mark.parametrize("stage", [{"student_credit": 14.0}], indirect=True)
async def test_who_has_no_credit_left_is_warned_stopped_told_why_and_ends_at_0_or_above(stage):
    stage.student()
    assert (await stage.start()).status_code == 201

    def warned():
        shown = stage.spawner().view
        return shown and shown.credit and shown.credit.sentence and shown.credit

    shown = await stage.until(warned)
    assert (shown.warned_seconds, shown.reason) == (4, Reason.CREDIT)
    assert shown.sentence.text("en").startswith("Your credit lasts about 1 min more.")
    await stage.until(lambda: stage.view().desired is Desired.STOPPED)
    assert stage.view().reason is Reason.CREDIT
    assert stage.view().because.text("en").startswith("Your credit has ended")

    async def is_off():
        return await stage.powers() == [Power.STOPPED] and not stage.view().billed

    await stage.until(is_off)
    # The machine itself was told before, and has saved.
    told = [one for one in stage.agents.told if one.get("deadline")]
    assert {one["reason"] for one in told} == {None, "credit"}
    assert told[0]["balance"]["unit"] == "USD"
    assert len(stage.agents.saved) == 1
    there = await stage.controller.database.read(standing, "alice")
    assert 0 <= there.balance <= 5 * UNIT
    assert (await stage.start()).json()["message"].startswith("You have $")

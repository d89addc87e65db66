"""A database that came back from a backup: what it remembers is older than what is there."""

from __future__ import annotations

import pytest

from gpuspawner.model import Desired, Power, Reason
from gpuspawner.policy.absence import Absence
from gpuspawner.policy.plan import Action, Known, plan
from tests.policy.worlds import CLAIM, NOON, claim, machine, seconds, world

YESTERDAY = NOON - seconds(86_400)
BEGAN = NOON - seconds(30)
GRACE_OVER = BEGAN + seconds(180)


def known(*claims, **more):
    return Known(tuple(claims), **{"since": BEGAN, **more})


def old(desired=Desired.STOPPED, **changes):
    """A wish that ended yesterday, in a backup of yesterday."""
    return claim(desired, **{"machine_id": "i-1", "desired_at": YESTERDAY, **changes})


def on(**changes):
    """A machine that was switched on this morning."""
    return machine(**{"powered_at": NOON - seconds(3600), **changes})


def actions(known_, world_, now=NOON):
    return [(step.action, step.machine.id) for step in plan(known_, world_, now).steps]


def test_a_machine_that_was_started_after_the_wish_ended_is_not_stopped_at_once():
    made = plan(known(old()), world(on()), NOON)
    assert (made.steps, made.look_again_at) == ((), GRACE_OVER)


def test_it_is_stopped_when_it_is_silent_for_the_grace():
    made = plan(known(old()), world(on()), GRACE_OVER)
    assert [(step.action, step.machine.id) for step in made.steps] == [(Action.STOP, "i-1")]
    assert "nobody had started it" in made.alarms[0].text()


def test_it_goes_on_when_it_speaks_as_ours():
    [step] = plan(known(old(heartbeat_at=NOON - seconds(5))), world(on()), NOON).steps
    assert (step.action, step.machine.id, step.reason, step.generation) == (
        Action.ADOPT,
        "i-1",
        Reason.ADOPTED,
        3,
    )


def test_a_heartbeat_of_yesterday_does_not_let_it_go_on():
    assert actions(known(old(heartbeat_at=YESTERDAY)), world(on())) == []


def test_one_that_was_to_be_deleted_is_not_deleted_while_it_runs():
    assert actions(known(old(Desired.DELETED)), world(on())) == []


@pytest.mark.parametrize(
    ("wish", "there"),
    [
        ({"desired_at": NOON - seconds(60)}, {}),  # it ended while the machine ran
        ({"desired_at": NOON - seconds(3630)}, {}),  # our own request may have taken a minute
        ({}, {"powered_at": NOON - seconds(10)}),  # since we look ourselves
        ({}, {"powered_at": None}),  # the cloud does not say
    ],
    ids=["ended since", "a slow request", "while we looked", "unknown"],
)
def test_without_doubt_a_machine_that_nobody_wants_is_stopped_at_once(wish, there):
    assert actions(known(old(**wish)), world(on(**there))) == [(Action.STOP, "i-1")]


def test_a_controller_that_has_always_looked_has_no_doubt():
    assert actions(known(old(), since=None), world(on())) == [(Action.STOP, "i-1")]


def class_of(count):
    names = [f"gs-0123abcd-{n:026d}" for n in range(count)]
    claims = [old(name=name, machine_id=f"i-{name}") for name in names]
    machines = [on(id=f"i-{name}", claim=name) for name in names]
    return known(*claims), world(*machines)


def test_a_whole_class_is_never_stopped_by_an_old_database():
    made = plan(*class_of(30), GRACE_OVER)
    assert made.steps == ()
    assert "too many to be true" in made.alarms[0].text()


def test_three_are_few_enough_to_be_true():
    made = plan(*class_of(3), GRACE_OVER)
    assert {step.action for step in made.steps} == {Action.STOP}


# -- the machine of today beside the one that the database remembers


def another(**changes):
    return on(id="i-2", intent="intent-2", **changes)


def test_the_machine_of_today_is_left_alone_while_the_named_one_may_still_be_there():
    remembered = old(Desired.RUNNING, up_at=YESTERDAY, start_by=None)
    assert actions(known(remembered), world(another())) == []


def test_the_machine_of_today_is_named_when_the_other_is_known_to_be_gone():
    remembered = old(Desired.RUNNING, up_at=YESTERDAY, start_by=None)
    absent = Absence(NOON - seconds(200), 5)
    made = plan(known(remembered, absences={CLAIM: absent}), world(another()), NOON)
    assert [(step.action, step.machine.id) for step in made.steps] == [(Action.ACCEPT, "i-2")]


def test_a_stranger_with_the_tag_is_stopped_all_the_same():
    remembered = old(Desired.RUNNING, up_at=YESTERDAY, start_by=None)
    stranger = another(owner_id="8", power=Power.RUNNING)
    assert (Action.STOP, "i-2") in actions(known(remembered), world(stranger))

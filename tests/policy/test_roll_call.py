"""Running wishes that the hub knows nothing of."""

from __future__ import annotations

from datetime import timedelta

from gpuspawner.model import Desired
from gpuspawner.policy import roll_call
from tests.policy.worlds import CLAIM, NOON, claim, seconds

GRACE = timedelta(seconds=180)


def looks(*presences, every=90, of=None):
    """What is forgotten after the hub has answered so often, `every` seconds apart."""
    missing, now = {}, NOON
    for present in presences:
        missing = roll_call.call(missing, [of or claim()], present, now)
        now += seconds(every)
    return roll_call.forgotten(missing, now - seconds(every), GRACE)


def test_a_server_that_the_hub_does_not_have_is_forgotten_after_three_answers_and_the_grace():
    assert looks((), (), ()) == [(CLAIM, 3)]


def test_two_answers_are_not_enough_however_far_apart():
    assert looks((), (), every=600) == []


def test_three_answers_within_the_grace_are_not_enough():
    assert looks((), (), (), every=60) == []


def test_a_server_that_the_hub_has_is_never_forgotten():
    assert looks((CLAIM,), (CLAIM,), (CLAIM,)) == []


def test_one_answer_that_names_it_begins_the_count_afresh():
    assert looks((), (), (CLAIM,), (), ()) == []


def test_a_wish_that_does_not_run_is_nobodys_to_forget():
    assert looks((), (), (), of=claim(Desired.STOPPED)) == []


def test_a_new_generation_is_counted_afresh():
    before = roll_call.call({}, [claim()], (), NOON)
    after = roll_call.call(before, [claim(generation=4)], (), NOON + seconds(90))
    assert {key: absence.listings for key, absence in after.items()} == {(CLAIM, 4): 1}

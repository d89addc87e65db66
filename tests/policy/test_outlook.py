"""What the admin reads of the next step is what the plan does, word by word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpuspawner.language import LANGUAGES
from gpuspawner.model import Desired, Power, World
from gpuspawner.policy.absence import Absence
from gpuspawner.policy.outlook import Next, billed_seconds, cost_micros, outlook
from gpuspawner.policy.plan import Action, Known, Limits, plan
from tests.policy.test_plan import WISHES, known
from tests.policy.worlds import (
    CLAIM,
    NOON,
    claim,
    fragment,
    home,
    intent,
    machine,
    seconds,
    world,
)

STRANGER = "gs-0123abcd-bbbbbbbbbbbbbbbbbbbbbbbbbb"


def said(known_: Known, world_: World, now=NOON, limits=None) -> dict[str, str]:
    """What is said of each claim and each stranger, in English."""
    ahead = outlook(known_, world_, now, limits)
    return {name: one.sentence.text() for name, one in ahead.claims.items()} | {
        thing.id: one.sentence.text() for thing, one in ahead.strangers
    }


@pytest.mark.parametrize("power", [None, *Power])
@pytest.mark.parametrize("wish", WISHES)
def test_in_every_cell_of_the_table_the_step_is_the_plans(wish, power):
    things = [home()]
    if power is Power.FRAGMENT:
        things.append(fragment())
    elif power is not None:
        things.append(machine(power))
    gone = frozenset({"i-1"}) if power in (None, Power.FRAGMENT) else frozenset()
    there, everything = world(*things, gone=gone), known(WISHES[wish])
    steps = [one.action for one in plan(everything, there, NOON).steps]
    [(name, ahead)] = outlook(everything, there, NOON).claims.items()
    assert (name, ahead.action) == (CLAIM, steps[0] if steps else Action.NOTHING), (steps, ahead)
    for language in LANGUAGES:
        assert "{" not in ahead.sentence.text(language)


@pytest.mark.parametrize(
    ("wish", "things", "text"),
    [
        (claim(), [], "Ask for a machine g4dn.xlarge in us-east-1a."),
        (claim(machine_id="i-1"), [machine(Power.PENDING)], "Wait until the machine is on."),
        (claim(machine_id="i-1"), [machine(), home()], "Attach the home."),
        (
            claim(machine_id="i-1"),
            [machine(), home(machine_id="i-1")],
            "Wait until the server reports that it is up.",
        ),
        (
            claim(machine_id="i-1", up_at=NOON),
            [machine(), home(machine_id="i-1")],
            "Nothing: the server runs.",
        ),
        (claim(Desired.STOPPED, machine_id="i-1"), [machine()], "Stop i-1."),
        (
            claim(Desired.STOPPED, machine_id="i-1"),
            [machine(Power.STOPPING)],
            "Wait until the machine is off.",
        ),
        (claim(Desired.STOPPED, machine_id="i-1"), [machine(Power.STOPPED)], "Nothing: it is off."),
        (claim(Desired.DELETED, machine_id="i-1"), [machine()], "Delete i-1."),
    ],
)
def test_each_situation_has_its_words(wish, things, text):
    assert said(known(wish), world(*things)) == {CLAIM: text}


def test_a_wait_for_saving_says_until_when():
    wish = claim(Desired.STOPPED, machine_id="i-1", up_at=NOON, heartbeat_at=NOON)
    ahead = outlook(known(wish), world(machine()), NOON)
    waits = ahead.claims[CLAIM]
    assert (waits.sentence.text(), waits.again) == (
        "Wait until the work is saved.",
        wish.desired_at + Limits().save,
    )


def test_without_anything_to_save_nothing_is_waited_for():
    wish = claim(Desired.STOPPED, machine_id="i-1", up_at=NOON, saved_at=NOON, heartbeat_at=NOON)
    assert said(known(wish), world(machine())) == {CLAIM: "Stop i-1."}


class TestAMachineThatIsNotSeen:
    """Two listings and 120 s are not enough, three are; to be asked is no listing."""

    def test_is_waited_for_however_often_status_is_asked(self):
        late = NOON + seconds(300)
        seen = known(claim(Desired.STOPPED, machine_id="i-1"), absences={CLAIM: Absence(NOON, 2)})
        wish = replace(seen.claims[0], desired=Desired.DELETED)
        everything = replace(seen, claims=(wish,))
        assert said(everything, world(), late) == {
            CLAIM: "Wait until it is certain what became of the machine."
        }

    def test_is_given_up_after_the_third_listing(self):
        late = NOON + seconds(300)
        wish = claim(Desired.DELETED, machine_id="i-1")
        everything = known(wish, absences={CLAIM: Absence(NOON, 3)})
        assert said(everything, world(), late) == {
            CLAIM: "Forget the claim: nothing of it is left."
        }


class TestAMachineWithoutAClaim:
    def test_is_taken_over_when_its_tags_say_whose_it_is(self):
        stray = machine(id="i-2", claim=STRANGER)
        assert said(known(), world(stray)) == {"i-2": "Take i-2 over: its tags say whose it is."}

    def test_is_stopped_when_they_do_not(self):
        stray = machine(id="i-2", claim=None, owner_id=None)
        assert said(known(), world(stray)) == {"i-2": "Stop i-2."}

    def test_is_left_alone_when_it_is_new(self):
        stray = machine(id="i-2", claim=None, created_at=NOON - seconds(10))
        [(_machine, ahead)] = outlook(known(), world(stray), NOON).strangers
        grace = stray.created_at + Limits().orphan_grace
        assert (ahead.action, ahead.again) == (Action.NOTHING, grace)

    def test_is_left_alone_when_there_are_too_many(self):
        strays = [machine(id=f"i-{n}", claim=None, owner_id=None) for n in range(9)]
        assert set(said(known(), world(*strays)).values()) == {
            "Nothing: too many seem to belong to nobody. An administrator decides."
        }

    def test_is_a_line_of_its_own_when_its_claim_names_another(self):
        wish = claim(machine_id="i-1", up_at=NOON)
        second = machine(id="i-2")
        assert said(known(wish), world(machine(), second, home(machine_id="i-1"))) == {
            CLAIM: "Nothing: the server runs.",
            "i-2": "Stop i-2.",
        }


def test_two_claims_do_not_take_each_others_steps():
    other = replace(claim(Desired.STOPPED, machine_id="i-2"), name=STRANGER)
    first = claim(machine_id="i-1", up_at=NOON)
    there = world(machine(), machine(id="i-2", claim=STRANGER), home(machine_id="i-1"))
    assert said(known(first, other), there) == {
        CLAIM: "Nothing: the server runs.",
        STRANGER: "Stop i-2.",
    }


def test_an_open_request_is_sent_again():
    wish = claim()
    everything = known(wish, intents={CLAIM: intent()})
    ahead = outlook(everything, world(), NOON).claims[CLAIM]
    assert isinstance(ahead, Next)
    assert ahead.action is Action.CREATE


class TestCost:
    @pytest.mark.parametrize("power", [Power.PENDING, Power.RUNNING, Power.HALTED])
    def test_a_machine_that_is_billed_is_billed_since_it_was_switched_on(self, power):
        one = machine(power, powered_at=NOON - seconds(90))
        assert billed_seconds(one, NOON) == 90

    @pytest.mark.parametrize("power", [Power.STOPPING, Power.STOPPED, Power.DELETING])
    def test_one_that_is_not_billed_costs_nothing_that_could_be_said(self, power):
        assert billed_seconds(machine(power, powered_at=NOON - seconds(90)), NOON) is None

    def test_since_when_nobody_knows_is_not_since_now(self):
        assert billed_seconds(machine(powered_at=None), NOON) is None
        assert billed_seconds(None, NOON) is None

    def test_an_hour_costs_the_hourly_price_and_a_second_at_least_the_minimum(self):
        assert cost_micros(3600, 526_000, 60) == 526_000
        assert cost_micros(1, 526_000, 60) == cost_micros(60, 526_000, 60) == 8767

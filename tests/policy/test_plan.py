"""The plan is a table, and this is its test: every cell, then every rule around it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuspawner.model import Desired, Power, Reason
from gpuspawner.policy.absence import Absence
from gpuspawner.policy.placement import Refusal
from gpuspawner.policy.plan import TABLE, Action, Known, Wish, plan
from tests.policy.worlds import (
    CLAIM,
    LARGER,
    NOON,
    SPEC,
    ZONE_A,
    ZONE_B,
    claim,
    fragment,
    home,
    intent,
    machine,
    offering,
    seconds,
    world,
)

WISHES = {
    Wish.STARTING: claim(machine_id="i-1"),
    Wish.UP: claim(machine_id="i-1", up_at=NOON - seconds(60)),
    Wish.STOPPED: claim(Desired.STOPPED, machine_id="i-1"),
    Wish.DELETED: claim(Desired.DELETED, machine_id="i-1"),
}


def known(*claims, **more) -> Known:
    more.setdefault("offerings", (offering(ZONE_A), offering(ZONE_B), offering(LARGER)))
    return Known(tuple(claims), **more)


def one_step(known_, world_, now=NOON):
    """The only step of the plan, or None."""
    steps = [step for step in plan(known_, world_, now).steps if step.action is not Action.RELEASE]
    assert len(steps) <= 1, steps
    return steps[0] if steps else None


def the_action(known_, world_, now=NOON):
    step = one_step(known_, world_, now)
    return step.action if step else Action.NOTHING


DESIGN = """
                       | none   | pending | running     | stopping | stopped | halted | deleting | fragment
running, not yet up    | create | nothing | attach home | nothing  | start   | start  | nothing  | create
running, has been up   | end    | nothing | nothing     | end      | end     | end    | end      | end
stopped                | nothing| stop    | stop        | nothing  | nothing | stop   | nothing  | delete
deleted                | forget | delete  | delete      | delete   | delete  | delete | delete   | delete
"""


def design_cells():
    head, *rows = [line.split("|") for line in DESIGN.strip("\n").splitlines()]
    powers = [name.strip() for name in head[1:]]
    for row in rows:
        for power, action in zip(powers, row[1:], strict=True):
            yield pytest.param(
                Wish(row[0].strip()),
                None if power == "none" else Power(power),
                Action(action.strip()),
                id=f"{row[0].strip()}-{power}",
            )


@pytest.mark.parametrize(("wish", "power", "action"), list(design_cells()))
def test_each_cell_of_the_table_is_what_plan_does(wish, power, action):
    assert TABLE[wish, power] is action
    if power is None:
        there = world(home(), gone=frozenset({"i-1"}))
    elif power is Power.FRAGMENT:
        there = world(home(), fragment(), gone=frozenset({"i-1"}))
    else:
        there = world(home(), machine(power))

    assert the_action(known(WISHES[wish]), there) is action


def test_the_table_has_no_other_cell():
    assert set(TABLE) == {(wish, power) for wish in Wish for power in (None, *Power)}


# -- none means none


def test_a_named_machine_that_is_not_listed_is_not_replaced_at_once():
    step = one_step(known(WISHES[Wish.STARTING]), world())
    assert step is None


def test_a_named_machine_that_is_not_listed_is_replaced_after_three_listings_and_two_minutes():
    absences = {CLAIM: Absence(NOON - seconds(120), 2)}
    step = one_step(known(WISHES[Wish.STARTING], absences=absences), world())
    assert (step.action, step.placement) == (Action.CREATE, ZONE_A)


@pytest.mark.parametrize(
    "absence", [Absence(NOON - seconds(119), 9), Absence(NOON - seconds(500), 1)]
)
def test_two_minutes_or_three_listings_alone_are_not_enough(absence):
    assert one_step(known(WISHES[Wish.STARTING], absences={CLAIM: absence}), world()) is None


def test_a_machine_that_answers_is_alive_whatever_the_listing_says():
    alive = replace(WISHES[Wish.UP], heartbeat_at=NOON - seconds(10))
    absences = {CLAIM: Absence(NOON - seconds(500), 9)}
    assert one_step(known(alive, absences=absences), world()) is None


def test_a_silent_machine_that_is_not_listed_ends_the_session():
    silent = replace(WISHES[Wish.UP], heartbeat_at=NOON - seconds(200))
    absences = {CLAIM: Absence(NOON - seconds(500), 9)}
    step = one_step(known(silent, absences=absences), world())
    assert (step.action, step.reason) == (Action.END, Reason.MACHINE_ENDED)


def test_a_listing_that_shows_the_machine_again_wipes_the_count_out():
    before = {CLAIM: Absence(NOON - seconds(500), 9)}
    seen = plan(known(WISHES[Wish.UP], absences=before), world(machine()), NOON)
    assert seen.absences == {}


def test_a_machine_known_to_be_gone_is_no_longer_named():
    steps = plan(known(WISHES[Wish.STOPPED]), world(gone=frozenset({"i-1"})), NOON).steps
    assert [(step.action, step.machine_id) for step in steps] == [(Action.RELEASE, "i-1")]


def test_a_machine_that_is_only_missing_is_still_named():
    assert plan(known(WISHES[Wish.STOPPED]), world(), NOON).steps == ()


# -- intents


def test_an_open_intent_is_sent_again_as_it_was():
    starting = claim()
    step = one_step(known(starting, intents={CLAIM: intent(placement=ZONE_A)}), world())
    assert (step.action, step.intent.id, step.placement) == (Action.CREATE, "intent-1", ZONE_A)


def test_an_open_intent_of_another_wish_is_not_sent_again():
    changed = claim(specification=replace(SPEC, sizes=("g5.xlarge",)))
    assert one_step(known(changed, intents={CLAIM: intent()}), world()) is None


def test_an_open_intent_of_another_wish_is_abandoned_once_it_has_come_to_nothing():
    changed = claim(specification=replace(SPEC, sizes=("g5.xlarge",)))
    absences = {CLAIM: Absence(NOON - seconds(120), 2)}
    step = one_step(known(changed, intents={CLAIM: intent()}, absences=absences), world())
    assert step.action is Action.ABANDON


def test_an_open_intent_of_a_stopped_wish_is_never_sent_again():
    stopped = claim(Desired.STOPPED)
    assert one_step(known(stopped, intents={CLAIM: intent()}), world()) is None


def test_a_machine_with_the_tag_of_an_open_intent_is_accepted_first():
    made = machine(Power.PENDING)
    step = one_step(known(claim(), intents={CLAIM: intent()}), world(made))
    assert (step.action, step.machine, step.intent) == (Action.ACCEPT, made, intent())


def test_a_cancelled_start_whose_machine_appears_later_is_accepted_and_then_stopped():
    stopped = claim(Desired.STOPPED)
    made = machine()
    first = one_step(known(stopped, intents={CLAIM: intent()}), world(made))
    assert first.action is Action.ACCEPT
    second = one_step(known(replace(stopped, machine_id="i-1")), world(made))
    assert (second.action, second.machine) == (Action.STOP, made)


# -- starting


def test_a_start_that_takes_too_long_is_given_up():
    late = claim(machine_id="i-1", start_by=NOON)
    step = one_step(known(late), world(machine(), home()))
    assert (step.action, step.reason) == (Action.END, Reason.START_TIMEOUT)


def test_a_start_is_looked_at_again_when_its_time_runs_out():
    assert plan(known(claim(machine_id="i-1")), world(machine()), NOON).look_again_at == (
        NOON + seconds(600)
    )


def test_a_home_decides_the_zone_of_a_new_machine():
    step = one_step(known(claim()), world(home(zone="us-east-1b")))
    assert (step.action, step.placement) == (Action.CREATE, ZONE_B)


def test_without_a_home_the_first_zone_that_does_not_refuse_is_taken():
    refused = Refusal("us-east-1", "us-east-1a", "g4dn.xlarge", Reason.CAPACITY, NOON + seconds(9))
    step = one_step(known(claim(), refusals=(refused,)), world())
    assert step.placement == ZONE_B


def test_a_refusal_that_has_expired_does_not_count():
    refused = Refusal("us-east-1", "us-east-1a", "g4dn.xlarge", Reason.CAPACITY, NOON)
    assert one_step(known(claim(), refusals=(refused,)), world()).placement == ZONE_A


def test_an_exhausted_ladder_ends_the_wish_and_names_what_else_there_is():
    refusals = tuple(
        Refusal("us-east-1", zone, "g4dn.xlarge", Reason.CAPACITY, NOON + seconds(9))
        for zone in ("us-east-1a", "us-east-1b")
    )
    step = one_step(known(claim(), refusals=refusals), world())
    assert (step.action, step.reason) == (Action.END, Reason.CAPACITY)
    assert "Free now: g5.xlarge" in step.because.text()


def test_a_quota_refusal_covers_the_region_and_says_so():
    refused = Refusal("us-east-1", None, "g4dn.xlarge", Reason.QUOTA, NOON + seconds(9))
    step = one_step(known(claim(), refusals=(refused,)), world())
    assert (step.action, step.reason) == (Action.END, Reason.QUOTA)


def test_a_home_of_another_user_id_is_never_attached():
    step = one_step(known(claim()), world(home(owner_id="8")))
    assert (step.action, step.reason) == (Action.END, Reason.HOME_OWNER)


def test_a_home_that_an_admin_gave_is_attached():
    given_home = home(owner_id="8", claim="gs-other")
    step = one_step(
        known(claim(machine_id="i-1"), grants={"vol-1": CLAIM}), world(given_home, machine())
    )
    assert (step.action, step.home) == (Action.ATTACH_HOME, given_home)


def test_a_home_that_an_admin_gave_comes_before_an_older_one():
    given_home = home(id="vol-2", owner_id="8", claim="gs-other", created_at=NOON)
    step = one_step(
        known(claim(machine_id="i-1"), grants={"vol-2": CLAIM}),
        world(home(), given_home, machine()),
    )
    assert (step.action, step.home) == (Action.ATTACH_HOME, given_home)


def test_the_first_machine_gets_a_home_in_its_own_zone():
    step = one_step(known(claim(machine_id="i-1")), world(machine(placement=ZONE_B)))
    assert (step.action, step.placement) == (Action.CREATE_HOME, ZONE_B)


def test_a_home_attached_already_or_not_ready_is_left_alone():
    for there in (home(machine_id="i-1"), home(ready=False)):
        assert one_step(known(claim(machine_id="i-1")), world(machine(), there)) is None


def test_a_stopped_machine_is_started_in_the_size_wanted_now():
    larger = claim(machine_id="i-1", specification=replace(SPEC, sizes=("g5.xlarge",)))
    stopped = machine(Power.STOPPED)
    step = one_step(known(larger), world(stopped, home()))
    assert (step.action, step.machine, step.placement) == (Action.START, stopped, LARGER)


@pytest.mark.parametrize(
    "wanted", [claim(machine_id="i-1"), claim(Desired.DELETED, machine_id="i-1")]
)
def test_a_machine_that_is_off_is_left_as_it_is_until_its_last_run_is_in_the_books(wanted):
    stopped = machine(Power.STOPPED, powered_at=NOON)
    there = world(stopped, home())
    assert one_step(known(wanted), there) is not None
    for accounted in (set(), {("i-1", NOON - seconds(60))}, {("i-2", NOON)}):
        assert one_step(known(wanted, accounted=accounted), there) is None
    assert one_step(known(wanted, accounted={("i-1", NOON)}), there).machine == stopped


@pytest.mark.parametrize("power", [Power.PENDING, Power.RUNNING, Power.STOPPING, Power.HALTED])
def test_whatever_the_books_lack_a_machine_that_may_be_billed_is_deleted(power):
    unwanted = claim(Desired.DELETED, machine_id="i-1")
    step = one_step(known(unwanted, accounted=()), world(machine(power)))
    assert step.action is Action.DELETE


def test_a_stopped_machine_of_another_image_is_deleted_and_its_home_kept():
    other = claim(machine_id="i-1", specification=replace(SPEC, image="ami-2"))
    images = {"ami-2": "ami-2"}
    step = one_step(known(other, images=images), world(machine(Power.STOPPED), home()))
    assert (step.action, step.machine.id, step.home) == (Action.DELETE, "i-1", None)


def test_an_image_that_is_named_another_way_is_the_same_image():
    named = claim(machine_id="i-1", specification=replace(SPEC, image="the course's image"))
    images = {"the course's image": "ami-1"}
    step = one_step(known(named, images=images), world(machine(Power.STOPPED), home()))
    assert step.action is Action.START


def test_an_image_that_is_not_known_yet_deletes_nothing():
    named = claim(machine_id="i-1", specification=replace(SPEC, image="unheard of"))
    assert one_step(known(named), world(machine(Power.STOPPED), home())).action is Action.START


def test_a_refused_start_goes_down_the_ladder_inside_its_zone():
    ladder = claim(
        machine_id="i-1", specification=replace(SPEC, sizes=("g4dn.xlarge", "g5.xlarge"))
    )
    refused = Refusal("us-east-1", "us-east-1a", "g4dn.xlarge", Reason.CAPACITY, NOON + seconds(9))
    step = one_step(known(ladder, refusals=(refused,)), world(machine(Power.STOPPED), home()))
    assert step.placement == LARGER


def test_a_refused_start_with_nothing_else_in_its_zone_ends_and_keeps_the_machine():
    refused = Refusal("us-east-1", "us-east-1a", "g4dn.xlarge", Reason.CAPACITY, NOON + seconds(9))
    step = one_step(
        known(claim(machine_id="i-1"), refusals=(refused,)), world(machine(Power.STOPPED), home())
    )
    assert (step.action, step.reason) == (Action.END, Reason.CAPACITY)
    assert "us-east-1a, where your files are" in step.because.text()


# -- stopping


def in_use(desired=Desired.STOPPED, **changes):
    base = claim(
        desired,
        machine_id="i-1",
        up_at=NOON - seconds(900),
        heartbeat_at=NOON - seconds(5),
    )
    return replace(base, **changes)


def test_a_machine_in_use_gets_time_to_save():
    waiting = plan(known(in_use()), world(machine()), NOON)
    assert waiting.steps == ()
    assert waiting.look_again_at == in_use().desired_at + seconds(60)


def test_a_machine_that_has_saved_is_stopped_at_once():
    assert the_action(known(in_use(saved_at=NOON)), world(machine())) is Action.STOP


def test_a_machine_that_does_not_save_in_a_minute_is_stopped_all_the_same():
    late = in_use(desired_at=NOON - seconds(60))
    assert the_action(known(late), world(machine())) is Action.STOP


def test_a_silent_machine_is_not_waited_for():
    silent = in_use(heartbeat_at=NOON - seconds(61))
    assert the_action(known(silent), world(machine())) is Action.STOP


# -- a listing that lags behind what the machine says


OFF = [Power.STOPPING, Power.STOPPED, Power.HALTED]


@pytest.mark.parametrize("power", OFF)
def test_a_machine_that_was_just_heard_is_not_off_because_a_listing_says_so(power):
    speaks = replace(WISHES[Wish.UP], heartbeat_at=NOON - seconds(29))
    made = plan(known(speaks), world(machine(power), home()), NOON)
    assert (made.steps, made.look_again_at) == ((), NOON + seconds(1))


@pytest.mark.parametrize("power", OFF)
def test_a_machine_that_is_listed_as_off_and_is_silent_ends_the_session(power):
    silent = replace(WISHES[Wish.UP], heartbeat_at=NOON - seconds(30))
    assert the_action(known(silent), world(machine(power), home())) is Action.END


@pytest.mark.parametrize(
    ("power", "said"), [(Power.HALTED, "from inside"), (Power.STOPPED, "outside this hub")]
)
def test_what_is_off_and_still_billed_was_switched_off_inside(power, said):
    silent = replace(WISHES[Wish.UP], heartbeat_at=NOON - seconds(30))
    [step] = plan(known(silent), world(machine(power), home()), NOON).steps
    assert said in step.because.text()


@pytest.mark.parametrize("ago", [1, 5])
def test_a_listing_that_knows_of_this_sessions_start_is_believed_at_once(ago):
    speaks = replace(WISHES[Wish.UP], heartbeat_at=NOON - seconds(1))
    off = machine(Power.STOPPED, powered_at=NOON - seconds(ago))
    assert the_action(known(speaks), world(off, home())) is Action.END


@pytest.mark.parametrize("ago", [6, -1])
def test_a_listing_of_an_earlier_start_or_by_another_clock_is_not(ago):
    speaks = replace(WISHES[Wish.UP], heartbeat_at=NOON - seconds(1))
    off = machine(Power.STOPPED, powered_at=NOON - seconds(ago))
    assert the_action(known(speaks), world(off, home())) is Action.NOTHING


def test_a_machine_on_its_way_out_ends_the_session_although_it_was_just_heard():
    speaks = replace(WISHES[Wish.UP], heartbeat_at=NOON - seconds(1))
    assert the_action(known(speaks), world(machine(Power.DELETING), home())) is Action.END


# -- second machines, orphans, leftovers


def test_the_machine_that_the_claim_does_not_name_is_stopped_and_told():
    made = plan(
        known(claim(machine_id="i-1")),
        world(machine(), machine(id="i-2"), home(machine_id="i-1")),
        NOON,
    )
    assert [(step.action, step.machine.id) for step in made.steps] == [(Action.STOP, "i-2")]
    assert len(made.alarms) == 1


def test_a_machine_that_is_listed_twice_is_no_second_machine():
    made = plan(known(WISHES[Wish.UP]), world(machine(), machine(), home(machine_id="i-1")), NOON)
    assert (made.steps, made.alarms) == ((), ())


def test_a_deleted_claim_deletes_every_machine_and_is_not_forgotten_before():
    made = plan(
        known(claim(Desired.DELETED, machine_id="i-1")), world(machine(), machine(id="i-2")), NOON
    )
    assert {(step.action, step.machine.id) for step in made.steps} == {
        (Action.DELETE, "i-1"),
        (Action.DELETE, "i-2"),
    }


def test_a_whole_orphan_is_adopted():
    step = one_step(known(), world(machine()))
    assert (step.action, step.claim) == (Action.ADOPT, CLAIM)


def test_an_orphan_without_its_tags_is_stopped_never_deleted():
    step = one_step(known(), world(machine(claim=None)))
    assert step.action is Action.STOP


def test_a_young_orphan_is_left_alone():
    assert one_step(known(), world(machine(claim=None, created_at=NOON - seconds(179)))) is None


def test_too_many_orphans_at_once_stop_nothing_and_raise_an_alarm():
    strangers = [machine(id=f"i-{n}", claim=None) for n in range(4)]
    made = plan(known(), world(*strangers), NOON)
    assert made.steps == ()
    assert "too many to be true" in made.alarms[0].text()


def test_three_orphans_are_not_too_many():
    strangers = [machine(id=f"i-{n}", claim=None) for n in range(3)]
    assert {step.action for step in plan(known(), world(*strangers), NOON).steps} == {Action.STOP}


def test_leftovers_of_nobody_are_deleted_and_homes_of_nobody_are_not():
    step = one_step(known(), world(fragment(claim="gs-gone"), home(claim="gs-gone")))
    assert (step.action, step.fragment.id, step.home) == (Action.DELETE, "vol-9", None)


# -- for any world

powers = st.sampled_from(list(Power)[:-1])
machines = st.builds(
    machine,
    powers,
    id=st.sampled_from(["i-1", "i-2", "i-3"]),
    claim=st.sampled_from([CLAIM, None, "gs-x"]),
    owner_id=st.sampled_from(["7", "8", None]),
    placement=st.sampled_from([ZONE_A, ZONE_B, LARGER]),
)
claims = st.builds(
    claim,
    st.sampled_from(Desired),
    machine_id=st.sampled_from([None, "i-1", "i-2"]),
    up_at=st.sampled_from([None, NOON - seconds(60)]),
    saved_at=st.sampled_from([None, NOON]),
    heartbeat_at=st.sampled_from([None, NOON, NOON - seconds(90)]),
)
worlds = st.builds(
    lambda some, homes: world(*{one.id: one for one in some}.values(), *homes),
    st.lists(machines, max_size=4),
    st.lists(st.builds(home, machine_id=st.sampled_from([None, "i-1"])), max_size=1),
)


@given(claims, worlds)
def test_no_plan_ever_deletes_a_home_or_starts_what_is_not_wanted(wanted, there):
    for step in plan(known(wanted), there, NOON).steps:
        if step.action is Action.DELETE:
            assert step.home is None
        if step.action in (Action.CREATE, Action.START, Action.CREATE_HOME, Action.ATTACH_HOME):
            assert wanted.desired is Desired.RUNNING
            assert wanted.up_at is None


@given(claims, worlds)
def test_a_claim_never_gets_a_second_machine_while_one_of_its_own_is_listed(wanted, there):
    mine = [
        one
        for one in there.machines
        if one.claim == CLAIM and one.id == wanted.machine_id and one.power is not Power.FRAGMENT
    ]
    actions = [step.action for step in plan(known(wanted), there, NOON).steps]
    if mine:
        assert Action.CREATE not in actions
    assert actions.count(Action.CREATE) <= 1

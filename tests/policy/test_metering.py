"""Which meters begin, end and change hands, from what a listing shows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from gpuspawner.model import Desired, Disk, DiskKind, Machine, Owner, Power, World
from gpuspawner.policy.absence import Absence
from gpuspawner.policy.billed import ADDRESS_SKU, Use, uses
from gpuspawner.policy.metering import changes
from gpuspawner.policy.metering_changes import (
    OFF,
    STARTED_AGAIN,
    STOPPED,
    VANISHED,
    Absolve,
    Books,
    Close,
    Metering,
    Missed,
    Note,
    Open,
    Release,
    Running,
    Switch,
    Witness,
)
from gpuspawner.policy.money import Component, seconds_of
from gpuspawner.policy.payers import MeteringPolicy, Payer, hold_ref, of_ref, to_look_up
from gpuspawner.policy.steps import Known
from tests.policy.worlds import CLAIM, LARGER, NOON, claim, intent, machine, seconds

T = seconds_of(NOON)
STARTED = NOON - seconds(600)
LAUNCH = T - 600
REF = hold_ref(CLAIM, 3)
ALICE = Owner("7", "alice", "")
STUDENT = MeteringPolicy(storage_payer=Payer.STUDENT)


def runs(power: Power = Power.RUNNING, **more) -> Machine:
    return machine(power, **({"powered_at": STARTED} | more))


A_MINUTE_AGO = NOON - seconds(60)


def off(at: datetime | None = A_MINUTE_AGO, power: Power = Power.STOPPED, **more) -> Machine:
    return runs(power, stopped_at=at, **more)


def wanted(**more):
    """Alice's wish of a minute before the machine was started, and her session is up."""
    usual = {"machine_id": "i-1", "desired_at": STARTED - seconds(5), "up_at": NOON - seconds(300)}
    return claim(**(usual | more))


def ended(**more):
    return wanted(desired=Desired.STOPPED, **({"desired_at": NOON - seconds(70)} | more))


def meter(**more) -> Running:
    usual = Running(
        "i-1", Component.COMPUTE, f"{LAUNCH}:g4dn.xlarge", LAUNCH, T - 100, 1, Payer.STUDENT, REF
    )  # fmt: skip
    return replace(usual, **more)


def disk(kind: DiskKind = DiskKind.OS, **more) -> Disk:
    usual = Disk("vol-1", kind, "gp3", "us-east-1", 60, STARTED, CLAIM, "7", "i-1")
    return replace(usual, **more)


def of_disk(component: Component = Component.DISK, **more) -> Running:
    usual = Running("vol-1", component, f"{LAUNCH}:gp3", LAUNCH, T - 100, 60, Payer.POOL)
    return replace(usual, **more)


def world(*things: Machine | Disk, **more) -> World:
    machines = tuple(one for one in things if isinstance(one, Machine))
    disks = tuple(one for one in things if isinstance(one, Disk))
    return World(NOON, machines=machines, disks=disks, **more)


def look(
    listed: World,
    *meters: Running,
    claims=(),
    witness: Witness | None = None,
    policy: MeteringPolicy | None = None,
    known: Known | None = None,
    now: datetime = NOON,
    **books,
) -> Metering:
    facts = {"since": 0, "up": {REF}} | books
    return changes(
        listed, known or Known(tuple(claims)), Books(meters, **facts), witness or Witness(), now,
        policy,
    )  # fmt: skip


def of(made: Metering, kind: type) -> list:
    return [change for change in made.changes if isinstance(change, kind)]


# -- beginning


@pytest.mark.parametrize("power", [Power.PENDING, Power.RUNNING, Power.HALTED])
def test_computing_is_metered_from_when_the_cloud_says_it_was_started(power):
    made = look(world(runs(power)), claims=[wanted()])
    [opened] = made.changes
    assert (opened.use.since, opened.use.sku, opened.use.start) == (
        LAUNCH, "g4dn.xlarge", f"{LAUNCH}:g4dn.xlarge",
    )  # fmt: skip
    assert (opened.student, opened.ref) == (ALICE, REF)


@pytest.mark.parametrize("power", [Power.STOPPING, Power.STOPPED, Power.DELETING])
def test_computing_that_is_not_billed_is_not_metered(power):
    made = look(world(off(power=power)), since=None)
    assert made.changes == ()


def test_what_is_metered_already_is_read_and_not_begun_again():
    made = look(world(runs()), meter(), claims=[wanted()])
    assert (made.changes, made.seen, made.until) == ((), (("i-1", Component.COMPUTE),), T)


def test_what_is_listed_twice_begins_once():
    made = look(world(runs(), runs(), disk(), disk()), claims=[wanted()])
    assert len(of(made, Open)) == len(made.changes) == 2


def test_disks_homes_and_addresses_are_lines_of_their_own_also_while_the_machine_is_off():
    listed = world(
        off(public_address="203.0.113.7"), disk(), disk(DiskKind.HOME, id="vol-2", size_gib=20)
    )
    made = look(listed, since=None)
    found = {(one.use.resource, one.use.component): one.use for one in made.changes}
    assert found == {
        ("i-1", Component.ADDRESS): Use(
            "i-1", Component.ADDRESS, str(LAUNCH), LAUNCH, "us-east-1", ADDRESS_SKU, 1, CLAIM, "7"
        ),
        ("vol-1", Component.DISK): Use(
            "vol-1", Component.DISK, f"{LAUNCH}:gp3", LAUNCH, "us-east-1", "gp3", 60, CLAIM, "7"
        ),
        ("vol-2", Component.HOME): Use(
            "vol-2", Component.HOME, f"{LAUNCH}:gp3", LAUNCH, "us-east-1", "gp3", 20, CLAIM, "7"
        ),
    }  # fmt: skip


def test_a_machine_without_a_public_address_has_no_line_for_one():
    assert ("i-1", Component.ADDRESS) not in uses(world(runs()))


def test_a_machine_of_which_one_listing_cannot_tell_since_when_waits_for_the_next():
    made = look(world(runs(powered_at=None)), claims=[wanted()])
    assert made.changes == ()


class TestAStartThatOneProcessKnowsBetter:
    """It saw when the machine was made, which the next one is not told."""

    BEGAN = STARTED - seconds(40)

    def opened(self) -> Running:
        made = look(world(runs(run=self.BEGAN)), claims=[wanted()])
        (begun,) = [one.use for one in made.changes]
        assert begun.since == LAUNCH
        return meter(start=begun.start, since=begun.since)

    def test_is_the_same_start_to_the_next_process(self):
        again = look(world(runs(run=self.BEGAN, powered_at=self.BEGAN)), self.opened())
        assert (again.changes, len(again.seen)) == ((), 1)

    @pytest.mark.parametrize("known", [{}, {"powered_at": BEGAN}, {"powered_at": None}])
    def test_ends_when_the_cloud_says_whoever_looks(self, known):
        one = self.opened()
        at = NOON - seconds(60)
        there = off(at=at, **({"run": self.BEGAN} | known))
        closed = [change for change in look(world(there), one).changes if isinstance(change, Close)]
        assert closed == [Close(one, seconds_of(at), seconds_of(at), STOPPED)]

    def test_ends_so_in_the_segment_that_is_continued_too(self):
        one = replace(self.opened(), since=T - 90)
        (closed,) = look(world(off(run=self.BEGAN)), one, claims=[ended()]).changes[:1]
        assert closed == Close(one, T - 60, T - 60, STOPPED)


# -- who pays


@pytest.mark.parametrize(
    ("claims", "found"),
    [
        ([], {}),
        ([claim(Desired.STOPPED, machine_id="i-1")], {}),
        ([wanted(machine_id="i-2")], {"intents": {CLAIM: intent(id="intent-2")}}),
        ([wanted(owner=Owner("8", "bora", ""))], {}),
        ([wanted(owner=Owner("7", "", ""))], {}),
        ([wanted(up_at=None, desired_at=NOON)], {}),
    ],
    ids=["no claim", "not wanted", "an accident", "another's", "a stranger", "begun before the wish"],
)  # fmt: skip
def test_what_no_student_has_wished_for_is_paid_by_the_pool(claims, found):
    made = look(world(runs()), known=Known(tuple(claims), **found))
    assert [(one.student, one.ref) for one in made.changes] == [(None, None)]


@pytest.mark.parametrize(
    ("claims", "found", "people"),
    [
        ([wanted()], {}, ()),
        ([wanted(machine_id=None)], {}, ()),
        ([wanted(machine_id="i-2")], {"intents": {CLAIM: intent(id="intent-1")}}, ()),
        ([wanted(owner=Owner("7", "", ""))], {}, {"7"}),
        ([wanted(up_at=None, desired_at=STARTED + seconds(30))], {}, ()),
        ([ended()], {}, ()),
    ],
    ids=["named", "not named yet", "by its intent", "adopted", "a slow clock", "just ended"],
)  # fmt: skip
def test_what_a_student_has_wished_for_is_paid_by_them(claims, found, people):
    made = look(world(runs()), known=Known(tuple(claims), **found), people=people)
    assert [(one.student, one.ref) for one in made.changes] == [(claims[0].owner, REF)]


@pytest.mark.parametrize("component", [DiskKind.OS, DiskKind.HOME])
def test_storage_is_paid_by_the_pool_unless_the_policy_says_otherwise(component):
    listed = world(disk(component))
    made = [look(listed, claims=[ended()], policy=policy) for policy in (None, STUDENT)]
    assert [one.changes[0].student for one in made] == [None, ALICE]


def test_a_disk_of_somebody_unknown_is_paid_by_the_pool_whatever_the_policy():
    assert look(world(disk()), policy=STUDENT).changes[0].student is None


def test_a_disk_without_a_claim_is_paid_by_whom_its_tag_names_if_known():
    made = look(world(disk()), policy=STUDENT, people={"7"})
    assert made.changes[0].student == Owner("7", "", "")


def test_a_home_that_was_given_away_is_paid_by_who_has_it():
    listed = world(disk(DiskKind.HOME, claim="gs-other", owner_id="9"))
    known = Known((ended(),), grants={"vol-1": CLAIM})
    assert look(listed, known=known, policy=STUDENT).changes[0].student == ALICE


def test_storage_changes_hands_with_the_policy_and_then_stays():
    listed = world(disk())
    made = look(listed, of_disk(), claims=[ended()], policy=STUDENT)
    assert made.changes == (Switch(of_disk(), T, ALICE, None, 60, "storage"),)
    mine = of_disk(payer=Payer.STUDENT)
    assert look(listed, mine, claims=[ended()], policy=STUDENT).changes == ()


def test_those_whose_name_is_not_known_are_looked_up():
    listed, nameless = world(disk(owner_id="9")), wanted(owner=Owner("7", "", ""))
    assert to_look_up(listed, [nameless], MeteringPolicy()) == {"7"}
    assert to_look_up(listed, [nameless], STUDENT) == {"7", "9"}
    assert to_look_up(listed, [wanted()], MeteringPolicy()) == set()


# -- ending


def test_computing_ends_when_the_cloud_says_it_did_however_late_that_is_seen():
    made = look(world(off()), meter(), claims=[ended()])
    assert made.changes == (Close(meter(), T - 60, T - 60, STOPPED),)


@pytest.mark.parametrize("at", [None, NOON - seconds(4000)], ids=["undated", "from before"])
def test_what_is_not_dated_ends_with_the_listing_and_the_student_where_it_was_last_seen(at):
    witness = Witness({(("i-1", Component.COMPUTE), meter().start): T - 20})
    made = look(world(off(at)), meter(), claims=[ended()], witness=witness, now=NOON + seconds(0.4))
    assert made.changes == (Close(meter(), T + 1, T - 20, OFF),)


def test_a_controller_that_remembers_nothing_lets_the_student_pay_up_to_the_last_reading():
    made = look(world(off(None)), meter(), claims=[ended()])
    assert made.changes == (Close(meter(), T, T - 100, OFF),)


def test_a_machine_that_is_gone_ends_when_the_cloud_says():
    gone = off(power=Power.DELETING)
    made = look(world(gone=frozenset({"i-1"}), ended=(gone,)), meter(), claims=[ended()])
    assert made.changes == (Close(meter(), T - 60, T - 60, STOPPED),)


def test_a_machine_that_is_gone_without_a_word_ends_with_the_listing():
    made = look(world(gone=frozenset({"i-1"})), meter(), claims=[ended()])
    assert made.changes == (Close(meter(), T, T - 100, OFF),)


def test_a_listing_that_is_late_ends_nothing():
    old = off(powered_at=STARTED - seconds(3000), at=STARTED - seconds(60))
    assert look(world(old), meter(), claims=[wanted()], since=T).changes == ()
    older = runs(powered_at=STARTED - seconds(3000))
    made = look(world(older), meter(), claims=[wanted()])
    assert (made.changes, made.seen) == ((), ())


def test_a_machine_started_again_behind_our_back_is_two_meters():
    again = runs(powered_at=NOON - seconds(30))
    made = look(world(again), meter(), claims=[wanted()])
    assert of(made, Close) == [Close(meter(), T - 30, T - 100, STARTED_AGAIN)]
    assert [one.use.since for one in of(made, Open)] == [T - 30]


def test_a_machine_of_another_size_is_another_meter():
    larger = runs(powered_at=NOON - seconds(30), placement=LARGER)
    made = look(world(larger), meter(), claims=[wanted()])
    assert [one.use.sku for one in of(made, Open)] == ["g5.xlarge"]
    assert len(of(made, Close)) == 1


def test_a_start_that_came_and_went_while_nobody_looked_is_charged_to_the_pool():
    made = look(world(off()), claims=[ended()])
    [missed] = made.changes
    assert (missed.use.since, missed.at, missed.reason) == (LAUNCH, T - 60, STOPPED)
    assert look(world(off()), witness=made.witness).changes == ()


def test_a_start_that_came_and_went_is_two_when_the_one_before_was_open():
    again = off(powered_at=NOON - seconds(300))
    before = meter(metered_to=T - 400)
    made = look(world(again), before, claims=[ended()])
    assert of(made, Close) == [Close(before, T - 300, T - 400, STARTED_AGAIN)]
    assert [(one.use.since, one.at) for one in of(made, Missed)] == [(T - 300, T - 60)]


def test_an_undated_start_that_nobody_saw_is_believed_after_a_while():
    witness, found = Witness(), []
    for passed in (0, 70, 140):
        at = NOON + seconds(passed)
        listed = replace(world(off(None)), listed_at=at)
        made = look(listed, claims=[ended()], witness=witness, now=at)
        found.append([(one.at, one.reason) for one in made.changes])
        witness = made.witness
    assert found == [[], [], [(T, OFF)]]


@pytest.mark.parametrize("since", [None, LAUNCH + 1], ids=["no prices", "prices later"])
def test_what_was_over_before_there_were_prices_is_none_of_the_ledgers_business(since):
    assert look(world(off()), since=since).changes == ()


# -- not being listed


def test_what_is_missing_from_a_listing_or_two_is_neither_read_nor_closed():
    witness = Witness()
    for passed in (0, 300):
        at = NOON + seconds(passed)
        made = look(replace(world(), listed_at=at), meter(), witness=witness, now=at)
        assert (of(made, Close), made.seen) == ([], ())
        witness = made.witness


def test_three_listings_in_a_hurry_are_not_enough():
    witness = Witness()
    for passed in (0, 3, 6, 9):
        at = NOON + seconds(passed)
        made = look(replace(world(), listed_at=at), meter(), witness=witness, now=at)
        assert of(made, Close) == []
        witness = made.witness


@pytest.mark.parametrize("gone", [meter(), of_disk()], ids=["a machine", "a disk"])
def test_what_stays_away_has_ended_when_it_was_first_not_listed(gone):
    witness = Witness({(gone.key, gone.start): T - 10})
    for passed in (0, 70, 140):
        at = NOON + seconds(passed)
        made = look(replace(world(), listed_at=at), gone, witness=witness, now=at)
        witness = made.witness
    assert of(made, Close) == [Close(gone, T, T - 10, VANISHED)]


def test_what_comes_back_is_missed_anew():
    witness = Witness(absences={("i-1", Component.COMPUTE): Absence(NOON - seconds(500), 2)})
    back = look(world(runs()), meter(), claims=[wanted()], witness=witness)
    assert (back.changes, back.witness.absences) == ((), {})


# -- the session


def test_a_session_that_is_up_is_noted_once():
    made = look(world(runs()), meter(), claims=[wanted()], up=())
    assert made.changes == (Note(REF, T - 300),)
    assert look(world(runs()), meter(), claims=[wanted()], up={REF}).changes == ()


def test_a_start_that_ends_without_having_been_up_is_the_pools():
    made = look(world(off()), meter(), claims=[ended(up_at=None)], up=())
    assert made.changes == (Absolve(meter(), REF), Close(meter(), T - 60, T - 60, STOPPED))


@pytest.mark.parametrize(
    "claims",
    [[ended(up_at=None)], [wanted(up_at=None, generation=4, desired_at=STARTED)], []],
    ids=["given up", "wished anew", "forgotten"],
)
def test_a_start_that_was_given_up_is_the_pools_while_it_still_runs(claims):
    made = look(world(runs()), meter(), claims=claims, up=())
    assert of(made, Absolve) == [Absolve(meter(), REF)]


def test_a_start_that_is_still_wanted_is_its_students():
    assert look(world(runs()), meter(), claims=[wanted(up_at=None)], up=()).changes == ()


def test_a_machine_that_dies_while_it_boots_is_the_pools_though_the_start_goes_on():
    made = look(world(off()), meter(), claims=[wanted(up_at=None)], holds={REF: False}, up=())
    assert of(made, Absolve) == [Absolve(meter(), REF)]
    assert of(made, Release) == []


def test_a_session_that_was_up_stays_its_students():
    assert of(look(world(off()), meter(), claims=[ended()]), Absolve) == []
    assert of(look(world(off()), meter(), claims=[]), Absolve) == []


def test_a_new_wish_on_a_machine_that_runs_is_a_segment_of_its_own():
    anew = wanted(generation=4, desired_at=NOON - seconds(50), up_at=None)
    made = look(world(runs()), meter(), claims=[anew])
    ref = hold_ref(CLAIM, 4)
    assert made.changes == (Switch(meter(), T - 50, ALICE, ref, 1, "session"),)
    went_on = meter(since=T - 50, ref=ref)
    assert look(world(runs()), went_on, claims=[anew]).changes == ()


def test_a_machine_the_pool_pays_is_the_students_from_their_wish_on():
    pools = meter(payer=Payer.POOL, ref=None)
    adopted = wanted(desired_at=NOON - seconds(50), up_at=NOON - seconds(50))
    made = look(world(runs()), pools, claims=[adopted])
    assert made.changes == (Switch(pools, T - 50, ALICE, REF, 1, "session"),)


def test_what_was_handed_to_the_pool_since_the_wish_stays_there():
    grace = meter(payer=Payer.POOL, ref=None, since=T - 40)
    assert look(world(runs()), grace, claims=[wanted()]).changes == ()
    kept = meter(payer=Payer.POOL, since=T - 40)
    assert look(world(runs()), kept, claims=[wanted()]).changes == ()


# -- holds


@pytest.mark.parametrize(
    ("claims", "ends_by_itself", "released"),
    [
        ([ended()], False, True),
        ([ended(generation=4)], False, True),
        ([], False, True),
        ([], True, False),
        ([wanted()], False, False),
        ([ended(generation=2)], False, False),
    ],
    ids=["ended", "anew", "forgotten", "not there yet", "wanted", "about to be wished"],
)
def test_a_hold_is_released_when_its_start_is_over(claims, ends_by_itself, released):
    made = look(world(), claims=claims, holds={REF: ends_by_itself})
    assert made.changes == ((Release(REF),) if released else ())


def test_a_hold_is_kept_while_its_meter_runs_and_released_as_it_ends():
    saving = look(world(runs()), meter(), claims=[ended()], holds={REF: False})
    assert of(saving, Release) == []
    over = look(world(off()), meter(), claims=[ended()], holds={REF: False})
    assert of(over, Release) == [Release(REF)]


def test_other_holds_are_left_alone():
    assert look(world(), holds={"class:monday": False}).changes == ()


@pytest.mark.parametrize(
    "ref", ["start::3", "start:gs-x", "start:gs-x:", "start:gs-x:-1", "start:gs-x:²", "hold:gs-x:3"]
)
def test_what_is_not_the_name_of_a_starts_hold_is_none(ref):
    assert of_ref(ref) is None


def test_the_name_of_a_hold_says_of_which_start_it_is():
    assert of_ref(hold_ref("gs-a:b", 12)) == ("gs-a:b", 12)


# -- disks


def test_a_volume_that_has_grown_costs_more_from_when_it_was_last_seen_smaller():
    made = look(world(disk(size_gib=90)), of_disk())
    assert made.changes == (Switch(of_disk(), T - 100, None, None, 90, "storage"),)


def test_a_volume_of_another_kind_is_another_meter():
    made = look(world(disk(type="io2")), of_disk())
    assert of(made, Close) == [Close(of_disk(), T, T - 100, OFF)]
    assert [one.use.sku for one in of(made, Open)] == ["io2"]


def test_an_address_ends_when_the_machine_is_shown_without_it():
    address = Running("i-1", Component.ADDRESS, str(LAUNCH), LAUNCH, T - 9, 1, Payer.POOL)
    kept = look(world(off(public_address="203.0.113.7")), address, since=None)
    assert (kept.changes, kept.seen) == ((), (address.key,))
    made = look(world(off()), address, since=None)
    assert made.changes == (Close(address, T, T - 9, OFF),)

"""Plays that once broke a promise, found at random, as they were when they were small."""

from __future__ import annotations

from collections import Counter

import pytest

from gpuspawner.model import Desired, Reason
from tests.faults.random_class import SPECIFICATIONS, School, name_of

pytestmark = pytest.mark.emulator

SMALL = SPECIFICATIONS["small"]
HOURS = 3 * 3600


@pytest.fixture
def school():
    one = School(0, Counter())
    yield one
    one.close()


def works(school: School, who: str) -> None:
    """A student starts, and is at work."""
    school.start(who, SMALL)
    school.pass_time(90)
    claim = school.claim(who)
    assert claim, school.watch.dump()
    assert claim.up_at, school.watch.dump()


def wishes(school: School) -> dict[str, tuple[Desired, int, Reason | None]]:
    """Each claim's wish after all has come to rest."""
    school.comes_to_rest()
    return {one.name: (one.desired, one.generation, one.reason) for one in school.watch.claims()}


def test_a_machine_that_is_on_two_pages_is_not_stopped_as_a_second_one(school: School):
    works(school, "alice")
    works(school, "bob")
    school.cloud.post({"action": "DescribeInstances", "pages": "duplicate", "count": 6})
    school.pass_time(200)
    assert wishes(school) == {
        name_of("alice"): (Desired.RUNNING, 1, None),
        name_of("bob"): (Desired.RUNNING, 1, None),
    }


def test_a_listing_from_before_the_second_start_does_not_end_the_second_session(school: School):
    works(school, "bob")
    school.stop("bob")
    school.pass_time(60)
    school.cloud.post({"kind": "lag", "stale": 60})
    school.start("bob", SMALL)
    school.pass_time(120)
    assert wishes(school) == {name_of("bob"): (Desired.RUNNING, 2, None)}


def test_a_listing_that_lags_does_not_hide_for_long_that_a_machine_was_switched_off(school: School):
    works(school, "bob")
    school.cloud.post({"kind": "lag", "stale": 60})
    school.console("bob", "poweroff")
    school.pass_time(150)
    assert wishes(school) == {name_of("bob"): (Desired.STOPPED, 1, Reason.MACHINE_ENDED)}


def test_a_claim_is_not_forgotten_before_its_machine_is_listed_because_the_clock_jumped(
    school: School,
):
    school.cloud.post({"kind": "lag", "hidden": 60})
    school.start("bob", SMALL)
    school.pass_time(3)
    school.delete("bob")
    school.pass_time(1)
    school.clock.jump(HOURS)
    school.pass_time(120)
    assert wishes(school) == {}


def test_a_machine_that_does_not_save_is_not_billed_for_the_hours_that_the_clock_went_back(
    school: School,
):
    works(school, "bob")
    school.agents.slow.update(school.cloud.world.lifecycle.records)
    school.stop("bob")
    school.clock.jump(-HOURS)
    school.pass_time(500)
    assert wishes(school) == {name_of("bob"): (Desired.STOPPED, 1, Reason.USER)}


def test_who_starts_a_machine_while_the_controller_is_away_has_it_stopped_when_that_is_sure(
    school: School,
):
    works(school, "bob")
    school.console("bob", "poweroff")
    school.pass_time(150)
    school.up_again_at = school.clock.monotonic() + 65
    school.mortally(school.die)
    school.console("bob", "start")
    school.pass_time(20)
    assert wishes(school) == {name_of("bob"): (Desired.STOPPED, 1, Reason.MACHINE_ENDED)}

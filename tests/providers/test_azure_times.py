"""Since when a machine on Azure costs, and until when, from what its own disk says."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from gpuspawner.model import Machine, Placement, Power
from gpuspawner.providers.azure_times import NOT_ASKED, Hands, hands, timed
from gpuspawner.providers.azure_world import Status

NOON = datetime(2027, 1, 15, 12, 0, tzinfo=timezone.utc)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


MADE, STARTED = at(-9000), at(-600)
RUNS = Machine(
    "gs-1", Power.RUNNING, Placement("eastus", "eastus-1", "Standard_NC4as_T4_v3"), "image", MADE
)
OFF = replace(RUNS, power=Power.STOPPED)
SAYS = Status("succeeded", Power.RUNNING, at(-30))
"""Its home was attached half a minute ago: Azure dates nothing else of the machine itself."""
AWAY = Status("succeeded", Power.STOPPED, at(-30))
ON, GIVEN_BACK = Hands(STARTED, on=True), Hands(at(-300))


def listed(**more):
    return {"properties": {"timeCreated": "2027-01-15T09:30:00.0000000+00:00", **more}}


@pytest.mark.parametrize(
    ("properties", "found"),
    [
        ({"diskState": "Attached"}, None),
        (
            {
                "diskState": "Attached",
                "LastOwnershipUpdateTime": "2027-01-15T09:30:00.0000000+00:00",
            },
            Hands(MADE, on=True, first=True),
        ),
        (
            {"diskState": "Reserved", "LastOwnershipUpdateTime": "2027-01-15T11:55:00Z"},
            Hands(at(-300)),
        ),
    ],
)
def test_a_disk_says_since_when_it_is_in_which_hands(properties, found):
    assert hands(listed(**properties)) == found


def times(machine, status=SAYS, disk=ON, old=None):
    found = timed(machine, status, disk, old, NOON)
    return found.powered_at, found.stopped_at


class TestOn:
    def test_it_began_when_the_disk_says_whatever_has_been_changed_since(self):
        assert times(RUNS) == (STARTED, None)

    @pytest.mark.parametrize("power", [Power.RUNNING, Power.PENDING, Power.HALTED])
    def test_another_process_finds_the_same_start(self, power):
        one = timed(replace(RUNS, power=power), SAYS, ON, None, NOON)
        other = timed(replace(RUNS, power=power), replace(SAYS, at=at(-3)), ON, one, at(60))
        assert (other.powered_at, other.run) == (one.powered_at, one.run)

    def test_nothing_is_billed_while_it_is_being_made(self):
        pending = replace(RUNS, power=Power.PENDING)
        making = Status("creating", Power.RUNNING)
        assert times(pending, making, Hands(MADE, True, True)) == (None, None)

    def test_whoever_saw_it_made_knows_when_that_was_over_and_who_did_not_takes_the_longer(self):
        first = Hands(MADE, on=True, first=True)
        making = timed(
            replace(RUNS, power=Power.PENDING), Status("creating", None), first, None, NOON
        )
        made = timed(RUNS, Status("succeeded", Power.RUNNING, at(-40)), first, making, NOON)
        assert made.powered_at == at(-40)
        again = timed(RUNS, SAYS, first, made, at(60))
        assert (again.powered_at, again.run) == (at(-40), made.run)
        stranger = timed(RUNS, SAYS, first, None, at(60))
        assert (stranger.powered_at, stranger.run) == (MADE, made.run)

    def test_a_disk_list_that_is_older_than_the_machines_does_not_move_a_start(self):
        assert times(RUNS, disk=GIVEN_BACK) == (None, None)
        ran = timed(RUNS, SAYS, ON, None, NOON)
        assert times(RUNS, disk=GIVEN_BACK, old=ran) == (STARTED, None)
        assert times(RUNS, disk=NOT_ASKED, old=ran) == (STARTED, None)

    def test_where_azure_leaves_the_time_out_what_was_seen_first_stays(self):
        seen = timed(RUNS, SAYS, None, None, NOON)
        assert seen.powered_at == at(-30)
        assert times(RUNS, replace(SAYS, at=at(-3)), None, seen) == (at(-30), None)
        silent = Status("succeeded", None)
        assert times(RUNS, silent, None) == (None, None)


class TestOff:
    def test_it_ended_when_the_disk_was_given_back_and_its_start_is_not_told(self):
        assert times(OFF, AWAY, GIVEN_BACK) == (None, at(-300))

    def test_whoever_saw_it_run_knows_the_start_and_whoever_saw_it_go_the_beginning_of_that(self):
        ran = timed(RUNS, SAYS, ON, None, NOON)
        going = Status("updating", Power.STOPPING, at(-340))
        goes = timed(replace(RUNS, power=Power.STOPPING), going, ON, ran, NOON)
        assert (goes.powered_at, goes.stopped_at) == (STARTED, at(-340))
        assert times(OFF, AWAY, GIVEN_BACK, goes) == (STARTED, at(-340))
        assert times(OFF, AWAY, GIVEN_BACK, ran) == (STARTED, at(-300))

    def test_one_that_is_first_seen_going_still_tells_since_when_it_ran(self):
        going = Status("updating", Power.STOPPING, at(-10))
        assert times(replace(RUNS, power=Power.STOPPING), going, ON) == (STARTED, at(-10))

    def test_where_azure_leaves_the_time_out_it_is_that_of_the_last_change(self):
        assert times(OFF, AWAY, None) == (None, at(-30))
        assert times(OFF, replace(AWAY, at=None), None) == (None, NOON)

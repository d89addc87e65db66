"""When a session ends in any case: the night, the longest session, and what a click puts off."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuspawner.model import Reason
from gpuspawner.policy.idle import Kind, decide
from gpuspawner.policy.session import (
    Policy,
    SessionLimits,
    day_begins,
    extended,
    leased,
    night_after,
)
from tests.policy.idle_worlds import at, closed, ends, session, signal
from tests.policy.worlds import NOON

SEOUL, BERLIN, NEW_YORK = map(ZoneInfo, ("Asia/Seoul", "Europe/Berlin", "America/New_York"))
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
MINUTE = timedelta(minutes=1)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)


def nights(zone: ZoneInfo, at_: time, begin: datetime, count: int) -> list[datetime]:
    """So many nightly stops in a row, as somebody who starts again right after each sees them."""
    limits, found = SessionLimits(nightly=at_, zone=zone), [begin]
    for _ in range(count):
        found.append(night_after(found[-1], limits))
    return found[1:]


class TestTheNight:
    def test_is_by_the_clock_of_the_class(self):
        assert nights(SEOUL, time(3), NOON, 1) == [utc(2026, 11, 21, 18)]

    def test_never_comes_where_none_is_set(self):
        assert night_after(NOON, SessionLimits()) is None

    def test_that_has_just_been_is_not_the_next(self):
        limits = SessionLimits(nightly=time(3), zone=SEOUL)
        assert night_after(utc(2026, 11, 21, 18), limits) == utc(2026, 11, 22, 18)
        assert night_after(utc(2026, 11, 21, 17, 59), limits) == utc(2026, 11, 21, 18)

    @pytest.mark.parametrize(
        ("zone", "at_", "begin", "expected"),
        [
            # 02:30 does not exist on 29 March 2026: it comes when it would have come, at 03:30 in summer time.
            (BERLIN, time(2, 30), utc(2026, 3, 28, 0),
             [utc(2026, 3, 28, 1, 30), utc(2026, 3, 29, 1, 30), utc(2026, 3, 30, 0, 30)]),
            # 02:30 comes twice on 25 October 2026: the first one counts, and only that.
            (BERLIN, time(2, 30), utc(2026, 10, 24, 0),
             [utc(2026, 10, 24, 0, 30), utc(2026, 10, 25, 0, 30), utc(2026, 10, 26, 1, 30)]),
            (NEW_YORK, time(2, 30), utc(2026, 3, 7, 0),
             [utc(2026, 3, 7, 7, 30), utc(2026, 3, 8, 7, 30), utc(2026, 3, 9, 6, 30)]),
            (NEW_YORK, time(1, 30), utc(2026, 10, 31, 0),
             [utc(2026, 10, 31, 5, 30), utc(2026, 11, 1, 5, 30), utc(2026, 11, 2, 6, 30)]),
            (SEOUL, time(3), utc(2026, 3, 28, 0),
             [utc(2026, 3, 28, 18), utc(2026, 3, 29, 18), utc(2026, 3, 30, 18)]),
        ],
    )  # fmt: skip
    def test_comes_once_on_each_day_also_when_the_clock_is_put_forward_or_back(
        self, zone, at_, begin, expected
    ):
        assert nights(zone, at_, begin, 3) == expected

    @pytest.mark.parametrize("zone", [SEOUL, BERLIN, NEW_YORK, LORD_HOWE], ids=str)
    @given(st.times(), st.integers(0, 3 * 365 * 24 * 60))
    def test_comes_within_a_day_and_an_hour_of_any_moment(self, zone, at_, moment):
        begin = utc(2025, 1, 1) + moment * MINUTE
        found = night_after(begin, SessionLimits(nightly=at_.replace(tzinfo=None), zone=zone))
        assert timedelta() < found - begin <= timedelta(hours=25)

    def test_is_warned_of_and_stops_also_those_who_work(self):
        policy = Policy(session=SessionLimits(nightly=time(14), zone=timezone.utc))
        busy = session(human=119, gpu=signal(119))
        assert decide(policy, busy, at(89)).kind is Kind.KEEP
        warns = decide(policy, busy, at(90))
        assert (warns.kind, warns.reason, warns.at) == (Kind.WARN, Reason.NIGHTLY_STOP, at(120))
        assert ends(busy, policy) == 120

    def test_is_put_off_by_nothing(self):
        policy = Policy(session=SessionLimits(nightly=time(14), zone=timezone.utc))
        busy = session(human=119, gpu=signal(500), lease_until=at(700), extended_until=at(150))
        assert ends(busy, policy) == 120


class TestTheLongestSession:
    def test_ends_it_although_somebody_works(self):
        assert ends(session(human=719, tab_open=True)) == 720

    def test_spares_what_works_up_to_a_limit_of_its_own(self):
        assert ends(session(human=719, gpu=signal(1000), **closed(719))) == 1013
        assert ends(session(human=719, gpu=signal(2000))) == 1440

    def test_is_put_off_by_a_lease_while_it_works(self):
        busy = session(human=60, gpu=signal(5000), lease_until=at(1700))
        assert ends(busy) == 1700

    def test_is_not_put_off_by_a_lease_when_the_work_is_done(self):
        busy = session(human=719, gpu=signal(300), lease_until=at(800))
        assert ends(busy) == 720

    def test_is_put_off_by_a_click(self):
        assert ends(session(human=719, extended_until=at(750))) == 750
        assert ends(session(human=719)) == 720


class TestAClick:
    def test_gives_half_an_hour_from_the_end_that_was_near(self):
        grant = extended(SessionLimits(), 2, end=at(90), now=at(86))
        assert (grant.until, grant.because.text()) == (
            at(120), "It goes on for 30 more minutes.",
        )  # fmt: skip

    def test_gives_it_from_now_when_the_end_has_passed(self):
        assert extended(SessionLimits(), 0, end=at(90), now=at(95)).until == at(125)

    def test_too_many_a_day_is_refused_with_what_to_do(self):
        grant = extended(SessionLimits(), 3, end=at(90), now=at(86))
        assert grant.until is None
        assert "3 times today" in grant.because.text()

    def test_a_new_day_begins_by_the_clock_of_the_class(self):
        limits = SessionLimits(zone=SEOUL)
        assert day_begins(limits, utc(2026, 11, 21, 14, 59)) == utc(2026, 11, 20, 15)
        assert day_begins(limits, utc(2026, 11, 21, 15)) == utc(2026, 11, 21, 15)

    def test_a_day_on_which_the_clock_is_put_back_begins_once(self):
        limits = SessionLimits(zone=BERLIN)
        assert day_begins(limits, utc(2026, 10, 25, 22, 59)) == utc(2026, 10, 24, 22)

    def test_a_lease_is_as_long_as_the_admin_allows(self):
        assert leased(SessionLimits(), NOON).until == at(720)

    def test_a_lease_that_the_admin_does_not_allow_is_refused(self):
        assert leased(replace(SessionLimits(), lease=timedelta()), NOON).until is None

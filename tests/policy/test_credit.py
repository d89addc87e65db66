"""The rule about what runs: its end, its warnings, its stop; and that no student ends below 0."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuspawner.model import Reason
from gpuspawner.policy import credit_sentences as sentences
from gpuspawner.policy.credit import (
    CONFIRM,
    Act,
    Books,
    Memory,
    Session,
    Verdict,
    Wallet,
    decide,
    grace_costs,
    reserve,
    top_ups,
)
from gpuspawner.policy.credit_rules import CreditRules, Fuses
from gpuspawner.policy.money import Rate, charge, hold_for

NOW = 1_800_000_000
MIDNIGHT = NOW + 86_400
RATE = Rate(3_600_000, 3600)  # 1000 micros a second
RULES = CreditRules()
RESERVE = 240_000
SESSION = Session("alice", 3, 7, RATE, hold="start:alice:3", held=10**9)


def books(live: int, **changes) -> Books:
    wallet = Wallet(live, rates=(RATE,), **changes)
    return Books("USD", MIDNIGHT, (SESSION,), {7: wallet}, charge=(RATE,), cost=(RATE,))


def seconds(left: int) -> int:
    """A balance that lasts so many seconds until the stop."""
    return RESERVE + left * 1000


def test_the_reserve_is_what_a_look_and_a_stop_take():
    assert reserve(RULES, RATE) == RESERVE


class TestTheEnd:
    def test_is_where_no_more_is_left_than_a_stop_takes(self):
        verdict = decide(SESSION, books(seconds(3600)), RULES, Memory(), NOW)
        assert verdict == Verdict(deadline=NOW + 3600, again_at=NOW + 3600 - 900, memory=Memory())

    def test_counts_what_is_promised_to_other_starts_as_gone(self):
        verdict = decide(SESSION, books(seconds(3600), promised=600_000), RULES, Memory(), NOW)
        assert verdict.deadline == NOW + 3000

    def test_counts_everything_that_the_account_pays(self):
        wallet = Wallet(2 * seconds(3600), rates=(RATE, RATE))
        two = replace(books(0), wallets={7: wallet})
        assert decide(SESSION, two, RULES, Memory(), NOW).deadline == NOW + 3600

    def test_is_none_where_the_pool_pays(self):
        session = replace(SESSION, by_student=False)
        free = replace(books(0), wallets={7: Wallet(0)})
        assert decide(session, free, RULES, Memory(), NOW) == Verdict()

    def test_is_none_of_what_costs_nothing(self):
        free = replace(books(0), wallets={7: Wallet(0, rates=(Rate(0, 3600),))})
        assert decide(SESSION, free, RULES, Memory(), NOW) == Verdict()


class TestAWarning:
    @pytest.mark.parametrize(
        ("left", "warned"), [(901, None), (900, 900), (301, 900), (300, 300), (60, 60), (1, 60)]
    )
    def test_is_due_from_its_time_on(self, left, warned):
        assert decide(SESSION, books(seconds(left)), RULES, Memory(), NOW).warned == warned

    def test_says_how_long_it_is_and_why(self):
        verdict = decide(SESSION, books(seconds(299)), RULES, Memory(), NOW)
        told = sentences.credit_near(299)
        assert verdict == Verdict(
            deadline=NOW + 299, reason=Reason.CREDIT, warned=300, sentence=told,
            again_at=NOW + 239, memory=Memory(300, told),
        )  # fmt: skip
        assert "about 5 min" in told.text("en")
        assert "약 5분" in told.text("ko")

    def test_is_told_once(self):
        first = decide(SESSION, books(seconds(299)), RULES, Memory(), NOW)
        second = decide(SESSION, books(seconds(200)), RULES, first.memory, NOW + 99)
        assert (second.warned, second.sentence) == (first.warned, first.sentence)

    def test_does_not_come_and_go_when_the_balance_wavers(self):
        before = Memory(300, sentences.credit_near(300))
        assert decide(SESSION, books(seconds(310)), RULES, before, NOW).memory == before
        assert decide(SESSION, books(seconds(299)), RULES, before, NOW).memory == before

    def test_is_told_again_after_more_credit_was_given_and_used(self):
        before = Memory(300, sentences.credit_near(300))
        more = decide(SESSION, books(seconds(3600)), RULES, before, NOW)
        assert (more.warned, more.memory) == (None, Memory())
        assert decide(SESSION, books(seconds(299)), RULES, more.memory, NOW).warned == 300


class TestAStop:
    def test_needs_two_looks_that_agree(self):
        first = decide(SESSION, books(RESERVE), replace(RULES, grace=timedelta(0)), Memory(), NOW)
        assert (first.act, first.again_at) == (Act.KEEP, NOW + CONFIRM)
        second = decide(
            SESSION, books(RESERVE), replace(RULES, grace=timedelta(0)), first.memory, NOW + CONFIRM
        )
        assert (second.act, second.reason) == (Act.STOP, Reason.CREDIT)
        assert second.sentence == sentences.credit_ended()

    def test_does_not_come_when_credit_was_given_between_the_two(self):
        first = decide(SESSION, books(RESERVE), RULES, Memory(), NOW)
        second = decide(SESSION, books(seconds(3600)), RULES, first.memory, NOW + CONFIRM)
        assert (second.act, second.memory) == (Act.KEEP, Memory())

    def test_does_not_come_at_the_first_look_after_everything_was_forgotten(self):
        for _time in range(3):
            assert decide(SESSION, books(0), RULES, Memory(), NOW).act is Act.KEEP


class TestTheGrace:
    ending = Memory(60, sentences.credit_near(60), ending=True)
    rich = 10**9

    def test_is_given_once_a_day_before_a_stop(self):
        there = replace(books(RESERVE), pool=self.rich)
        assert decide(SESSION, there, RULES, self.ending, NOW).act is Act.GRACE

    def test_is_not_given_twice_a_day(self):
        there = replace(books(RESERVE, grace_used=True), pool=self.rich)
        assert decide(SESSION, there, RULES, self.ending, NOW).act is Act.STOP

    def test_is_not_given_by_a_pool_that_cannot_pay_it(self):
        costs = grace_costs(RULES, RATE)
        poor, just = (replace(books(RESERVE), pool=pool) for pool in (costs - 1, costs))
        assert decide(SESSION, poor, RULES, self.ending, NOW).act is Act.STOP
        assert decide(SESSION, just, RULES, self.ending, NOW).act is Act.GRACE

    def test_is_not_given_for_a_limit(self):
        rules = replace(RULES, fuses=Fuses(student=RESERVE))
        there = replace(books(10**9), pool=self.rich)
        assert decide(SESSION, there, rules, self.ending, NOW).act is Act.STOP

    def test_is_told_and_then_ends(self):
        session = replace(SESSION, by_student=False)
        wallet = Wallet(RESERVE, grace_used=True, grace_until=NOW + 600)
        there = replace(books(0), wallets={7: wallet}, pool=self.rich)
        told = decide(session, there, RULES, Memory(), NOW)
        assert (told.act, told.deadline) == (Act.KEEP, NOW + 600)
        assert told.sentence == sentences.grace(600)
        late = replace(there, wallets={7: replace(wallet, grace_until=NOW)})
        assert decide(session, late, RULES, self.ending, NOW).act is Act.STOP

    def test_ends_when_the_student_has_credit_again(self):
        session = replace(SESSION, by_student=False)
        wallet = Wallet(seconds(3600), grace_used=True, grace_until=NOW + 600)
        there = replace(books(0), wallets={7: wallet})
        assert decide(session, there, RULES, Memory(), NOW).act is Act.RESUME


class TestALimitPerDay:
    @pytest.mark.parametrize("of", ["student", "course", "hub"])
    def test_ends_a_session_as_the_credit_does(self, of):
        rules = replace(RULES, fuses=Fuses(**{of: seconds(100) + 5_000_000}))
        used = replace(books(10**9, today=5_000_000), course_today=5_000_000, hub_today=5_000_000)
        verdict = decide(SESSION, used, rules, Memory(), NOW)
        assert (verdict.deadline, verdict.reason, verdict.warned) == (
            NOW + 100, Reason.LIMIT, 300,
        )  # fmt: skip
        first = decide(SESSION, used, rules, Memory(), NOW + 100)
        assert first.sentence == sentences.limit_near(100)

    def test_stops_nothing_when_it_is_only_to_refuse(self):
        rules = replace(RULES, fuses=Fuses(student=1, course=1, hub=1, stop=False))
        assert decide(SESSION, books(seconds(5000)), rules, Memory(), NOW).deadline == NOW + 5000

    def test_that_would_be_reached_tomorrow_is_not_reached(self):
        rules = replace(RULES, fuses=Fuses(student=seconds(600)))
        soon = replace(books(10**9), midnight=NOW + 600)
        later = replace(books(10**9), midnight=NOW + 601)
        ends = [decide(SESSION, one, rules, Memory(), NOW).reason for one in (soon, later)]
        assert ends == [None, Reason.LIMIT]


class TestAHold:
    full = hold_for(RATE)

    @pytest.mark.parametrize(
        ("changes", "wanted"),
        [
            ({"held": full}, []),
            ({"held": full // 2}, []),
            ({"held": full // 2 - 1}, [("start:alice:3", full)]),
            ({"held": full, "lasting": False}, [("start:alice:3", full)]),
            ({"held": 0, "by_student": False}, []),
            ({"held": 0, "hold": ""}, []),
        ],
    )
    def test_is_filled_up_when_half_is_used_and_made_to_last(self, changes, wanted):
        there = replace(books(10**9), sessions=(replace(SESSION, **changes),))
        assert list(top_ups(there, RULES)) == wanted


@settings(max_examples=200, deadline=None)
@given(
    balance=st.integers(0, 500_000),
    rates=st.lists(st.integers(360_000, 50_000_000), min_size=1, max_size=3),
    late=st.lists(st.integers(0, 60), min_size=1, max_size=20),
    off_after=st.integers(0, 175),
)
def test_who_is_stopped_by_it_ends_at_0_or_above(balance, rates, late, off_after):
    """I8. The looks come when they are asked for or up to a tick later; a stop takes its time."""
    paid = tuple(Rate(num, 3600) for num in rates)
    rules = replace(RULES, grace=timedelta(0))
    balance += reserve(rules, *paid)  # admission has asked for more than that
    memory, now, turn = Memory(), NOW, 0
    while True:
        used = sum(charge(rate, NOW, now) for rate in paid)
        wallet = Wallet(balance - used, rates=paid)
        session = replace(SESSION, rate=paid[0])
        there = Books("USD", NOW + 10**9, (session,), {7: wallet})
        verdict = decide(session, there, rules, memory, now)
        if verdict.act is Act.STOP:
            break
        memory = verdict.memory
        again = (
            now + rules.tick
            if verdict.again_at is None
            else min(verdict.again_at, now + rules.tick)
        )
        # One look of all is late by so much: the tick that the reserve is for.
        now = max(again, now + 1)
        if memory.ending and turn == 0:
            now += late[0] * (60 - CONFIRM) // 60
            turn = 1
    assert balance - sum(charge(rate, NOW, now + off_after) for rate in paid) >= 0


@given(left=st.integers(0, 4000), before=st.integers(0, 4000))
def test_the_same_books_are_always_told_the_same(left, before):
    first = decide(SESSION, books(seconds(before)), RULES, Memory(), NOW)
    again = [decide(SESSION, books(seconds(left)), RULES, first.memory, NOW) for _ in range(2)]
    assert again[0] == again[1]

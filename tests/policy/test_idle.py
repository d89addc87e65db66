"""The rule about idle machines: what it says in each case, and what holds in all of them."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from idle_page import CASES, START

from gpuspawner.language import LANGUAGES
from gpuspawner.model import Reason
from gpuspawner.policy.idle import Kind, Mode, decide
from gpuspawner.policy.session import IdleLimits, Policy, Session, SessionLimits, Signal
from tests.policy import idle_worlds as worlds
from tests.policy.idle_worlds import POLICY, at, closed, ends, looks, session, signal, told

STOPS = (Kind.SAVE_AND_STOP, Kind.STOP_NOW)
ENDS = (
    Reason.IDLE, Reason.NO_SHOW, Reason.WORK_DONE, Reason.UNATTENDED, Reason.LONGEST_SESSION,
    Reason.NIGHTLY_STOP,
)  # fmt: skip
JUST = timedelta(microseconds=1)
MANY = settings(max_examples=2000 if os.environ.get("GPUSPAWNER_FAULTS") == "all" else 40)


class TestTheTableOfCases:
    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.words)
    def test_each_stops_when_and_why_it_says(self, case):
        # The culler has looked until the last thing that the case tells.
        last = max(
            (fact for fact in _times(case.session()) if fact <= at_case(case)), default=START
        )
        one = case.session()
        now = last if case.looked is None else START + timedelta(minutes=case.looked)
        for _ in range(100):
            verdict = decide(POLICY, one, now)
            if verdict.kind in STOPS:
                break
            one, now = replace(one, warned=verdict.warned), verdict.next_change_at
        stopped = (now - START).total_seconds() / 60
        assert (stopped, verdict.reason, verdict.kind.value) == (case.stops, case.reason, case.kind)

    def test_no_two_cases_read_the_same(self):
        assert len({case.words for case in CASES}) == len(CASES)


def at_case(case):
    return START + timedelta(minutes=case.stops)


def _times(one: Session):
    for fact in (one.human, one.gpu, one.processor, one.kernel):
        yield from (moment for moment in (fact.active_at, fact.unknown_since) if moment)
    yield from (moment for moment in (one.tab_closed_at, one.up_at) if moment)


class TestWhatIsActivity:
    def test_a_person_is(self):
        assert ends(session(human=100)) - ends(session(human=60)) == 40

    def test_an_open_page_is_not(self):
        assert ends(session(human=60)) == 90
        assert ends(session(human=60, tab_open=True, tab_closed_at=None)) == 90

    @pytest.mark.parametrize(
        ("kind", "stops"), [("gpu", 313.0), ("processor", 163.0), ("kernel", 95.0)]
    )
    def test_work_is_up_to_its_cap(self, kind, stops):
        one = session(human=60, **{kind: signal(300)}, **closed(60))
        assert ends(one) == stops

    def test_a_processor_that_takes_turns_with_the_gpu_shares_its_cap(self):
        one = session(human=60, gpu=signal(400), processor=signal(460), **closed(60))
        assert ends(one) == 473

    def test_a_processor_alone_does_not_begin_again_by_a_busy_kernel(self):
        one = session(human=60, processor=signal(500), kernel=signal(500), **closed(60))
        assert ends(one) == 183  # 90 minutes, 20 more of the kernel, and 13

    def test_work_that_ended_while_it_was_watched_gives_the_time_of_a_person(self):
        assert ends(session(human=60, processor=signal(85))) == 115

    def test_longer_work_gives_that_of_work_alone(self):
        assert ends(session(human=60, processor=signal(140))) == 153


class TestAnUnknownSignal:
    def test_counts_as_activity(self):
        assert ends(session(human=60, gpu=signal(60, unknown=60), **closed(60))) > ends(
            session(human=60, gpu=signal(60), **closed(60))
        )

    def test_but_not_for_ever(self):
        assert ends(session(human=60, gpu=signal(60, unknown=60), **closed(60))) == 105

    def test_is_not_longer_than_the_cap_of_what_it_is(self):
        one = session(human=60, kernel=signal(60, unknown=60), **closed(60))
        assert ends(one) == 95

    def test_of_a_person_is_replaced_by_the_opinion_of_the_hub(self):
        lost = signal(60, unknown=60)
        one = session(human=60)
        assert ends(replace(one, human=lost, hub_activity_at=at(200))) == 230

    def test_the_opinion_of_the_hub_is_not_asked_otherwise(self):
        assert ends(session(human=60, hub_activity_at=at(200))) == 90


class TestAWarning:
    def test_comes_five_minutes_before(self):
        verdict = decide(POLICY, session(human=60), at(85))
        assert (verdict.kind, verdict.at, verdict.reason) == (Kind.WARN, at(90), Reason.IDLE)

    def test_is_not_given_before_that(self):
        verdict = decide(POLICY, session(human=60), at(85) - JUST)
        assert (verdict.kind, verdict.at, verdict.next_change_at) == (Kind.KEEP, at(90), at(85))

    def test_is_cancelled_by_a_person(self):
        one = session(human=60, warned=told(Reason.IDLE, at(85)))
        acted = replace(one, human=signal(87))
        assert decide(POLICY, one, at(90)).kind is Kind.SAVE_AND_STOP
        assert decide(POLICY, acted, at(90)).kind is Kind.KEEP

    def test_is_always_given_in_full_however_late_somebody_looked(self):
        verdict = decide(POLICY, session(human=60), at(400))
        assert (verdict.kind, verdict.at) == (Kind.WARN, at(405))
        one = session(human=60, warned=told(Reason.IDLE, at(400)))
        assert decide(POLICY, one, at(404.9)).kind is Kind.WARN
        assert decide(POLICY, one, at(405)).kind is Kind.SAVE_AND_STOP

    def test_for_another_reason_does_not_count(self):
        one = session(human=60, warned=told(Reason.LONGEST_SESSION, at(10)))
        assert decide(POLICY, one, at(90)).kind is Kind.WARN

    def test_that_was_given_still_counts_after_a_nearer_end_has_come_and_gone(self):
        """Or else a click every half an hour would put off the longest session for ever."""
        nearer = session(human=680, warned=told(Reason.LONGEST_SESSION, at(690)))
        shown = decide(POLICY, nearer, at(705))
        assert (shown.reason, shown.at) == (Reason.IDLE, at(710))
        clicked = replace(nearer, human=signal(706), warned=shown.warned)
        assert decide(POLICY, clicked, at(706)).at == at(720)
        assert decide(POLICY, clicked, at(720)).kind is Kind.SAVE_AND_STOP

    def test_does_not_hide_an_end_that_comes_before_it_and_is_not_warned_of_yet(self):
        policy = Policy(
            session=SessionLimits(longest=timedelta(hours=2), warning=timedelta(minutes=1))
        )
        verdict = decide(policy, session(human=60), at(118))
        assert (verdict.kind, verdict.reason, verdict.at) == (Kind.WARN, Reason.IDLE, at(120))

    def test_does_not_move_forward_when_the_page_is_closed(self):
        one = session(human=60, warned=told(Reason.IDLE, at(85)))
        assert decide(POLICY, replace(one, **closed(86)), at(87)).at == at(90)

    def test_without_any_there_is_none(self):
        policy = Policy(IdleLimits(warning=timedelta()))
        assert decide(policy, session(human=60), at(90) - JUST).kind is Kind.KEEP
        assert decide(policy, session(human=60), at(90)).kind is Kind.SAVE_AND_STOP


class TestWhatHasBeenPaidFor:
    def test_is_used_before_a_stop_for_idleness(self):
        policy = Policy(
            IdleLimits(no_show=timedelta(minutes=6), without_tab=timedelta(minutes=6)),
            paid_minimum=timedelta(minutes=60),
        )
        assert ends(session(human=None), policy) == 60

    def test_is_no_reason_afterwards(self):
        policy = Policy(paid_minimum=timedelta(minutes=5))
        assert ends(session(human=None), policy) == 19


class TestSomethingElseDecides:
    def test_an_admin_keeps_it_whatever_else(self):
        held = session(human=60, held_until=at(5000))
        verdict = decide(POLICY, held, at(4999))
        assert (verdict.kind, verdict.mode, verdict.next_change_at) == (
            Kind.KEEP, Mode.HELD, at(5000),
        )  # fmt: skip

    def test_an_admin_who_kept_it_once_does_not_any_more(self):
        held = session(human=60, held_until=at(5000))
        assert decide(POLICY, held, at(5000)).kind is Kind.WARN

    def test_a_start_is_left_to_its_own_limit(self):
        verdict = decide(POLICY, session(human=None, up_at=None), at(500))
        assert (verdict.kind, verdict.mode) == (Kind.KEEP, Mode.STARTING)

    def test_a_machine_that_answers_is_saved_and_one_that_does_not_is_not_waited_for(self):
        one = session(human=60, warned=told(Reason.IDLE, at(85)))
        assert decide(POLICY, one, at(90)).kind is Kind.SAVE_AND_STOP
        assert decide(POLICY, replace(one, heard=False), at(90)).kind is Kind.STOP_NOW


class TestInAnyCase:
    """Whatever the limits are, and whatever is known."""

    @MANY
    @given(worlds.policies, worlds.sessions, worlds.moments)
    def test_there_is_an_answer_with_a_reason_and_a_time_to_look_again(self, policy, one, now):
        verdict = decide(policy, one, now)
        assert verdict.next_change_at > now
        assert (verdict.reason is None) == (verdict.kind is Kind.KEEP)
        for language in LANGUAGES:
            assert "{" not in verdict.because.text(language)

    @MANY
    @given(worlds.policies, worlds.sessions, worlds.moments, st.floats(0, 1, exclude_max=True))
    def test_nothing_changes_before_the_time_that_it_names(self, policy, one, now, part):
        verdict = decide(policy, one, now)
        # A part that is nearly 1 would be rounded to the whole.
        later = min(now + part * (verdict.next_change_at - now), verdict.next_change_at - JUST)
        again = decide(policy, one, later)
        assert (again.kind, again.mode, again.because, again.reason) == (
            verdict.kind, verdict.mode, verdict.because, verdict.reason,
        )  # fmt: skip

    @MANY
    @given(worlds.policies, worlds.running, worlds.lengths)
    def test_a_warning_that_was_written_down_keeps_its_word(self, policy, one, since):
        assume(policy.idle.warning and policy.session.warning)
        begin = decide(policy, one, one.started_at)
        now = begin.next_change_at if begin.kind is Kind.KEEP else one.started_at
        first = decide(policy, one, now)
        assert first.kind is Kind.WARN
        told = replace(one, warned=first.warned)
        verdict = decide(policy, told, now)
        later = decide(policy, told, min(now + since, verdict.next_change_at - JUST))
        assert (later.kind, later.at, later.reason) == (verdict.kind, verdict.at, verdict.reason)

    @MANY
    @given(worlds.policies, worlds.running)
    def test_nothing_is_stopped_before_the_time_that_was_told(self, policy, one):
        asked = list(looks(one, policy))
        stopped, _verdict = asked[-1]
        assert [verdict.at for _now, verdict in asked if verdict.at and verdict.at > stopped] == []

    @MANY
    @given(worlds.policies, worlds.running)
    def test_at_that_time_there_is_another_answer(self, policy, one):
        verdict = decide(policy, one, one.started_at - policy.session.warning)
        # An end that nobody was warned of is looked at again only.
        assume(verdict.kind is Kind.KEEP)
        again = decide(policy, one, verdict.next_change_at)
        assert again.kind is not Kind.KEEP

    @MANY
    @given(worlds.policies, worlds.sessions, worlds.moments)
    def test_nothing_is_stopped_that_was_not_warned_of_for_the_whole_time(self, policy, one, now):
        assume(policy.idle.warning and policy.session.warning)
        assert decide(policy, replace(one, warned=()), now).kind not in STOPS

    @MANY
    @given(
        worlds.policies,
        worlds.sessions,
        worlds.moments,
        st.sampled_from(["human", "gpu", "processor", "kernel"]),
        worlds.moments,
    )
    def test_more_activity_never_stops_it_earlier(self, policy, one, now, kind, active):
        assume(one.held_until is None)
        before = getattr(one, kind)
        more = replace(
            one, **{kind: replace(before, active_at=max(before.active_at or active, active))}
        )
        _not_earlier(policy, one, more, now)

    @MANY
    @given(worlds.policies, worlds.sessions, worlds.moments)
    def test_an_open_page_never_stops_it_earlier(self, policy, one, now):
        _not_earlier(policy, replace(one, tab_open=False), replace(one, tab_open=True), now)

    @MANY
    @given(
        worlds.policies,
        worlds.sessions,
        worlds.moments,
        st.sampled_from(["human", "gpu", "processor", "kernel"]),
        worlds.moments,
    )
    def test_a_lost_signal_never_stops_it_earlier(self, policy, one, now, kind, since):
        known = replace(getattr(one, kind), unknown_since=None)
        lost = replace(known, unknown_since=since)
        _not_earlier(policy, replace(one, **{kind: known}), replace(one, **{kind: lost}), now)

    @MANY
    @given(worlds.policies, worlds.sessions, worlds.moments, worlds.moments)
    def test_no_signal_puts_off_the_longest_session(self, policy, one, now, active):
        sure = Signal(active)
        busy = replace(
            one, human=sure, gpu=sure, processor=sure, kernel=sure, tab_open=True,
            held_until=None, lease_until=None, extended_until=None,
            warned=told(Reason.LONGEST_SESSION, one.started_at),
        )  # fmt: skip
        assume(busy.up_at is not None)
        end = one.started_at + max(policy.session.longest, policy.session.longest_with_work)
        verdict = decide(policy, busy, max(now, end, one.started_at + policy.session.warning))
        assert verdict.kind in STOPS


def _not_earlier(policy: Policy, less: Session, more: Session, now) -> None:
    long_ago = now - timedelta(days=9)
    for warned in ((), *(told(reason, long_ago) for reason in ENDS)):
        first, second = (decide(policy, replace(one, warned=warned), now) for one in (less, more))
        assert second.kind not in STOPS or first.kind in STOPS
        # A warning's time is that of its own end: one that is not warned of yet may come before it.
        if first.at and second.at and first.kind is second.kind:
            assert second.at >= first.at

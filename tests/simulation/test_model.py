"""The model of a class: what it draws, and what a rule makes of one student whose day is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gpuspawner.policy import idle
from gpuspawner.policy.session import Policy, SessionLimits
from gpuspawner.simulation import draw, shipped
from gpuspawner.simulation.assumptions import Assumptions, changed
from gpuspawner.simulation.rules import STOCK, Never, Nightly, Quiet
from gpuspawner.simulation.run import Outcome, oracle, run, without
from gpuspawner.simulation.shipped import Shipped
from gpuspawner.simulation.student import Sitting, Student, Training, merged

FEW = Assumptions(students=10, weeks=6)
STOCK_60 = Quiet(60, STOCK)


def one(end: float = 160, messages=(105, 158), **changes) -> Student:
    """A sitting from minute 100; the page is closed at its end and *Stop* is not pressed."""
    student = Student(
        sittings=[Sitting("free", 100, end)], messages=list(messages), pages=[(100, end)],
        output=[(at, at + 1) for at in messages], notices=[True] * 1000,
    )  # fmt: skip
    for name, value in changes.items():
        setattr(student, name, value)
    student.settle()
    return student


def training(start: float, end: float, **changes) -> Student:
    """The same, left with a silent training on half of the GPU."""
    return one(
        end=start, messages=(105, start), trainings=[Training(start, end)],
        gpu=[(start, end, 50.0)], processor=[(start, end)], kernel=[(start, end)], **changes,
    )  # fmt: skip


def on(outcome: Outcome) -> float:
    """The minutes from the student's start to the stop: a first boot and a stop are 4.5."""
    return outcome.billed - 4.5


class TestOneWhoForgets:
    def test_costs_the_limit_without_a_page_under_the_shipped_rule(self):
        assert on(run(FEW, one(), Shipped())) == pytest.approx(158 + 15 - 100)

    def test_costs_the_limit_with_a_page_when_it_stays_open(self):
        student = one(pages=[(100, 2000)])
        assert on(run(FEW, student, Shipped())) == pytest.approx(158 + 30 - 100)

    def test_costs_an_hour_after_the_last_activity_under_the_stock_culler(self):
        assert on(run(FEW, one(), STOCK_60)) == pytest.approx(160 + 60 - 100)

    def test_costs_as_long_as_the_page_is_open_under_the_stock_culler(self):
        student = one(pages=[(100, 2000)])
        assert on(run(FEW, student, STOCK_60)) == pytest.approx(2060 - 100)

    def test_costs_until_the_night_or_the_end_of_time_under_others(self):
        assert on(run(FEW, one(), Nightly())) == pytest.approx(180 - 100)
        assert on(run(FEW, one(), Never())) == pytest.approx(FEW.horizon - 100)

    def test_costs_nothing_more_when_stop_is_pressed(self):
        assert on(run(FEW, one(presses=[160]), Never())) == pytest.approx(60)


class TestATraining:
    def test_is_not_killed_by_the_shipped_rule_which_then_stops_soon(self):
        outcome = run(FEW, training(160, 460), Shipped())
        assert (outcome.trainings, outcome.killed) == (1, 0)
        assert outcome.idle == pytest.approx(13)

    def test_is_killed_by_the_stock_culler_when_it_is_silent(self):
        outcome = run(FEW, training(160, 460), STOCK_60)
        assert (outcome.killed, outcome.redo) == (1, pytest.approx(61))

    def test_is_not_killed_by_it_when_it_prints(self):
        student = training(160, 460)
        student.output = sorted([*student.output, (160.0, 460.0)])
        assert run(FEW, student, STOCK_60).killed == 0

    def test_of_which_the_floor_makes_nothing_lives_as_long_as_the_processors_cap(self):
        policy = Policy(idle=replace(Policy().idle, gpu_floor=60.0))
        outcome = run(FEW, training(160, 460), Shipped(policy))
        assert (outcome.killed, outcome.redo) == (1, pytest.approx(90 + 20 + 13))

    def test_that_runs_away_is_stopped_by_the_cap_and_not_by_the_stock_culler(self):
        student = training(160, 460)
        for spans in (student.processor, student.kernel, student.output):
            spans.append((460.0, 4000.0))
        student.gpu.append((460.0, 4000.0, 60.0))
        ours, stock = run(FEW, student, Shipped()), run(FEW, student, STOCK_60)
        assert ours.killed == 0
        assert 160 + 720 < 100 + on(ours) <= 160 + 720 + 90 + 20 + 13
        assert on(ours) < on(run(FEW, training(160, 4000), Never()))
        assert stock.killed == 1


class TestAWarning:
    def test_is_seen_by_a_student_who_reads_and_the_machine_stays(self):
        student = one(messages=(105, 158))
        assert run(FEW, student, Shipped()).interrupted == 0

    def test_that_nobody_sees_interrupts(self):
        student = one(messages=(105, 158), notices=[False] * 1000)
        outcome = run(FEW, student, Shipped())
        assert outcome.interrupted == 1
        # It starts again a minute after the next thing that the student does.
        assert on(outcome) == pytest.approx((135 - 100) + 15 + 1.5)

    def test_can_be_switched_off(self):
        assert run(FEW, one(), Shipped(warns=False)).interrupted == 1


class TestALongBreak:
    AWAY = (110.0, 155.0)

    def student(self, away) -> Student:
        sitting = Sitting("free", 100, 160, breaks=[away])
        return one(sittings=[sitting], pages=[(100, away[0]), (away[1], 160)])

    def test_makes_a_cold_return(self):
        outcome = run(FEW, self.student(self.AWAY), Shipped())
        assert (outcome.interrupted, outcome.cold) == (0, 1)

    def test_is_not_needed_by_who_knows_the_future(self):
        assert oracle(FEW, self.student(self.AWAY)) == pytest.approx(10 + 5 + 2 * 1.5 + 3)

    def test_a_short_one_is_needed_and_a_stop_in_it_interrupts(self):
        student = self.student((110.0, 140.0))
        assert oracle(FEW, student) == pytest.approx(60 + 1.5 + 3)
        assert run(FEW, student, Shipped()).interrupted == 1


class TestTheLongestSession:
    def test_is_put_off_by_clicks_three_times_a_day(self):
        student = one(end=1400, messages=tuple(range(105, 1400, 5)))
        outcome = run(FEW, student, Shipped(Policy(session=SessionLimits(nightly=None))))
        assert outcome.interrupted == 1
        assert run(FEW, student, STOCK_60).interrupted == 0


class TestTheDraw:
    def test_of_the_same_seed_is_the_same_class(self):
        first, second = draw.a_class(FEW, 1), draw.a_class(FEW, 1)
        assert first == second
        assert first != draw.a_class(FEW, 2)

    def test_keeps_sittings_apart_and_within_the_term(self):
        for student in draw.a_class(FEW, 3):
            for before, after in zip(student.sittings, student.sittings[1:], strict=False):
                assert after.start >= before.end + 20
            assert all(10 <= s.start < s.end <= FEW.horizon - 1440 for s in student.sittings)

    def test_has_everything_while_somebody_is_there(self):
        for student in draw.a_class(FEW, 4):
            for at in student.messages:
                sitting = student.sitting_at(at) or student.sitting_at(at - 0.001)
                assert sitting is not None
                assert sitting.away(at) is None

    def test_the_oracle_of_a_class_that_forgets_nothing_is_its_sittings(self):
        ideal = replace(
            FEW, p_forget=0.0, breaks_per_hour=0.0, p_training_free=0.0, p_training_lab=0.0,
            p_training_deadline=0.0,
        )  # fmt: skip
        for student in draw.a_class(ideal, 5):
            expected = sum(s.end - s.start + 1.5 for s in student.sittings) + 3
            assert oracle(ideal, student) == pytest.approx(expected)
            for rule in (Never(), STOCK_60):
                outcome = run(ideal, student, rule)
                assert (outcome.billed, outcome.interrupted) == (pytest.approx(expected), 0)

    @pytest.mark.parametrize("rule", [Never(), Nightly(), STOCK_60, Shipped()])
    def test_no_rule_is_on_when_needed_more_than_it_is_billed(self, rule):
        for student in draw.a_class(FEW, 6):
            outcome = run(FEW, student, rule)
            assert 0 <= outcome.idle <= outcome.billed
            assert outcome.longest_idle <= outcome.idle
            assert sum(outcome.weekly) == pytest.approx(outcome.billed)


class TestAnAssumption:
    def test_can_be_changed_by_name(self):
        assert changed(FEW, ["p_forget=0.3", "weeks=2"]) == replace(FEW, p_forget=0.3, weeks=2)

    @pytest.mark.parametrize("text", ["p_forget=1.5", "forget=1", "weeks=x", "price=-1", "weeks"])
    def test_that_cannot_be_is_refused(self, text):
        with pytest.raises(ValueError, match=r"\w"):
            changed(FEW, [text])


def test_spans_are_merged_and_cut():
    assert merged([(5, 7), (1, 3), (3, 4), (6, 9), (9, 9)]) == [(1, 4), (5, 9)]
    assert without([(0, 10), (20, 30)], [(2, 3), (8, 22), (29, 40)]) == [
        (0, 2), (3, 8), (22, 29),
    ]  # fmt: skip


def test_the_model_asks_the_shipped_rule_and_has_none_of_its_own():
    assert shipped.decide is idle.decide
    longer = Policy(idle=replace(Policy().idle, without_tab=timedelta(minutes=25)))
    assert on(run(FEW, one(), Shipped(longer))) == pytest.approx(158 + 25 - 100)

"""What time costs: pure arithmetic, against the same thing said another way."""

from __future__ import annotations

import calendar
from datetime import datetime, timedelta, timezone
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gpuspawner.policy.money import (
    DAY,
    Rate,
    charge,
    covered_until,
    hold_for,
    moment_of,
    runs_for,
    seconds_of,
    stop_reserve,
)

NINE = 1_795_424_400  # Monday, 23 November 2026, 09:00 UTC
GPU = Rate(526_000, 3600, 60)
GP3 = Rate(64 * 80_000, 1, 60, monthly=True)

RATES = st.builds(
    Rate, st.integers(0, 10**9), st.integers(1, 10**5), st.integers(0, 600), st.booleans()
)
TIMES = st.integers(NINE - 400 * DAY, NINE + 400 * DAY)
LENGTHS = st.integers(0, 200 * DAY)


def day_by_day(rate: Rate, since: int, seconds: int) -> Fraction:
    """The exact amount, added up one calendar day after the other."""
    total, at, end = Fraction(0), since, since + seconds
    while at < end:
        day = datetime.fromtimestamp(at, timezone.utc)
        midnight = int(datetime(day.year, day.month, day.day, tzinfo=timezone.utc).timestamp())
        here = min(end, midnight + DAY) - at
        length = calendar.monthrange(day.year, day.month)[1] * DAY if rate.monthly else 1
        total += Fraction(rate.num * here, rate.den * length)
        at += here
    return total


@given(rate=RATES, since=TIMES, length=LENGTHS)
@example(rate=GP3, since=NINE, length=120 * DAY)
def test_an_amount_is_the_exact_one_rounded_down_once(rate: Rate, since: int, length: int) -> None:
    exact = day_by_day(rate, since, max(length, rate.minimum))
    assert charge(rate, since, since + length) == exact.numerator // exact.denominator


@given(rate=RATES, since=TIMES, lengths=st.lists(LENGTHS, min_size=2, max_size=2))
def test_an_amount_never_falls(rate: Rate, since: int, lengths: list[int]) -> None:
    first, second = sorted(lengths)
    assert charge(rate, since, since + first) <= charge(rate, since, since + second)


@given(rate=RATES, since=TIMES, cuts=st.lists(st.integers(0, 4000), min_size=1, max_size=6))
def test_a_segment_that_is_cut_pays_what_a_whole_one_pays_less_a_micro_a_cut(
    rate: Rate, since: int, cuts: list[int]
) -> None:
    *ats, end = [since + cut for cut in sorted(cuts)]
    total, begins, own = 0, since, rate
    for at in ats:
        total += charge(own, begins, at)
        begins, own = covered_until(own, begins, at), rate.continued()
    total += charge(own, begins, end)
    whole = charge(rate, since, end)
    assert whole - len(ats) <= total <= whole


def test_the_minimum_counts_once_per_start_and_not_once_per_segment() -> None:
    begins = covered_until(GPU, NINE, NINE + 20)
    assert begins == NINE + 60
    assert charge(GPU, NINE, NINE + 20) == 60 * 526_000 // 3600
    assert charge(GPU.continued(), begins, NINE + 50) == 0
    assert charge(GPU.continued(), begins, NINE + 90) == 30 * 526_000 // 3600


@pytest.mark.parametrize(
    ("month", "seconds"), [("2027-02", 28 * DAY), ("2028-02", 29 * DAY), ("2026-12", 31 * DAY)]
)
def test_a_month_costs_the_monthly_price_however_long_it_is(month: str, seconds: int) -> None:
    since = seconds_of(datetime.fromisoformat(f"{month}-01T00:00:00+00:00"))
    assert charge(GP3, since, since + seconds) == 64 * 80_000


def test_a_semester_of_disk_and_thirty_hours_of_gpu_cost_what_they_do_on_paper() -> None:
    assert charge(GPU, NINE, NINE + 30 * 3600) == 15_780_000
    fixed = Rate(64 * 80_000, 30 * DAY)
    assert charge(fixed, NINE, NINE + 112 * DAY) == 64 * 80_000 * 112 // 30


def test_the_stop_reserve_is_that_of_the_time_until_a_machine_is_off() -> None:
    assert stop_reserve(GPU, tick=60, latency=180) == 35_067
    assert stop_reserve(Rate(900_000, 3600), tick=60, latency=180) == 60_000
    assert stop_reserve() == 0


def test_a_hold_covers_the_session_the_minimum_and_the_stop() -> None:
    rate = Rate(3_600_000, 3600, 300)  # a unit an hour, 1000 micros a second
    assert hold_for(rate, session=1800, tick=60, latency=180) == 1000 * (1800 + 300 + 240)
    assert hold_for(rate, rate, session=0, tick=0, latency=0) == 2 * 300_000


@given(
    rates=st.lists(
        st.builds(Rate, st.integers(0, 10**6), st.integers(1, 10**4), st.integers(0, 600)),
        max_size=3,
    ),
    available=st.integers(0, 10**9),
)
def test_credit_lasts_exactly_as_long_as_it_pays(rates: list[Rate], available: int) -> None:
    lasts = runs_for(available, *rates)
    if lasts is None:
        assert not any(rate.num for rate in rates)
        return

    def costs(seconds: int) -> Fraction:
        return sum(
            (Fraction(rate.num * max(seconds, rate.minimum), rate.den) for rate in rates),
            Fraction(0),
        )

    assert lasts == 0 or costs(lasts) <= available
    assert costs(lasts + 1) > available


def test_credit_that_does_not_pay_the_minimum_lasts_no_time() -> None:
    assert runs_for(100, Rate(60, 60, 600)) == 0
    assert runs_for(600, Rate(60, 60, 600)) == 600
    assert runs_for(100, Rate(60, 60, 600).continued()) == 100


@pytest.mark.parametrize(
    "wrong", [{"num": 0.1}, {"num": True}, {"den": 1.0}, {"minimum": 1.5}, {"num": "1"}]
)
def test_a_rate_is_of_whole_numbers_only(wrong: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        Rate(**({"num": 1, "den": 1} | wrong))  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"num": -1}, {"den": 0}, {"den": -1}, {"minimum": -1}])
def test_no_rate_is_negative_or_divides_by_nothing(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="no price"):
        Rate(**({"num": 1, "den": 1} | wrong))


@given(st.datetimes(allow_imaginary=False).filter(lambda when: 1970 < when.year < 2200))
def test_a_moment_has_one_number_of_seconds_in_whatever_zone_it_is_told(naive: datetime) -> None:
    utc = naive.replace(tzinfo=timezone.utc)
    seoul = utc.astimezone(timezone(timedelta(hours=9)))
    assert seconds_of(utc) == seconds_of(seoul)
    assert utc - moment_of(seconds_of(utc)) < timedelta(seconds=1)
    with pytest.raises(ValueError, match="no time zone"):
        seconds_of(naive)

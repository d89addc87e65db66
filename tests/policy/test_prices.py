"""Which prices go into the books, and which are not believed."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from gpuspawner.policy.money import Book, Component, Rate
from gpuspawner.policy.prices import (
    Books,
    Entry,
    Quote,
    Revision,
    Thing,
    revise,
    text_of,
    without_price,
)

SMALL = Thing("aws", "us-east-1", "g4dn.xlarge", Component.COMPUTE)
DISK = Thing("aws", "us-east-1", "gp3", Component.DISK)
MONDAY, TUESDAY = 1_000_000, 1_086_400
EMPTY = Books({}, {})


def hourly(micros: int) -> Rate:
    return Rate(micros, 3600, 60)


def quote(micros: int = 526_000, as_of: int = MONDAY, **changes) -> Quote:
    return replace(Quote(SMALL, hourly(micros), "USD", "a list", as_of), **changes)


def own(micros: int) -> Quote:
    return quote(micros, TUESDAY, by_admin=True, source="c.Prices.cost")


def after(books: Books, made: Revision) -> Books:
    """What is in force once the rows are written."""
    force = {Book.COST: dict(books.cost), Book.CHARGE: dict(books.charge)}
    for book, one in made.add:
        force[book][one.thing] = Entry(one.rate, one.as_of, one.by_admin)
    return replace(books, cost=force[Book.COST], charge=force[Book.CHARGE])


def added(made: Revision) -> list[tuple[str, int]]:
    return [(book.value, one.rate.num) for book, one in made.add]


def refused(made: Revision) -> list[str]:
    return [why.text() for _thing, why in made.refused]


SETTLED = after(EMPTY, revise(EMPTY, [quote()]))


class TestAPriceList:
    def test_fills_both_books_and_the_same_again_adds_nothing(self):
        assert added(revise(EMPTY, [quote()])) == [("cost", 526_000), ("charge", 526_000)]
        assert revise(SETTLED, [quote()]) == Revision()
        assert revise(SETTLED, [quote(as_of=TUESDAY)]) == Revision()

    def test_that_is_newer_takes_effect_and_an_older_one_does_not(self):
        newer = revise(SETTLED, [quote(600_000, TUESDAY)])
        assert added(newer) == [("cost", 600_000), ("charge", 600_000)]
        assert revise(after(SETTLED, newer), [quote()]) == Revision()

    def test_of_several_the_newest_counts_in_any_order(self):
        both = [quote(600_000, TUESDAY), quote()]
        assert revise(EMPTY, both) == revise(EMPTY, both[::-1])
        assert added(revise(EMPTY, both)) == [("cost", 600_000), ("charge", 600_000)]


class TestIsNotBelieved:
    def test_a_price_of_nothing(self):
        made = revise(SETTLED, [quote(0, TUESDAY)])
        assert made.add == ()
        (why,) = refused(made)
        assert why == (
            "a list says that “g4dn.xlarge” in us-east-1 costs nothing. "
            "It is not used; the last good price stays."
        )

    def test_another_currency(self):
        made = revise(EMPTY, [quote(currency="KRW")])
        assert made.add == ()
        assert "in KRW and not in USD" in refused(made)[0]

    def test_a_leap_of_more_than_ten_times_up_or_down(self):
        for leap in (5_260_001, 52_599):
            made = revise(SETTLED, [quote(leap, TUESDAY)])
            assert (made.add, len(made.refused)) == ((), 1)
        for step in (5_260_000, 52_600):
            assert added(revise(SETTLED, [quote(step, TUESDAY)])) == [
                ("cost", step), ("charge", step)
            ]  # fmt: skip

    def test_a_price_by_the_month_for_what_was_by_the_hour(self):
        monthly = Rate(526_000, 3600, 60, monthly=True)
        assert len(revise(SETTLED, [quote(as_of=TUESDAY, rate=monthly)]).refused) == 1

    def test_one_bad_price_does_not_hold_up_the_others(self):
        other = replace(SMALL, sku="g6.xlarge")
        made = revise(SETTLED, [quote(0, TUESDAY), quote(805_000, thing=other)])
        assert added(made) == [("cost", 805_000), ("charge", 805_000)]
        assert [thing for thing, _why in made.refused] == [SMALL]


class TestTheAdminsWord:
    def test_comes_first_and_may_leap(self):
        made = revise(SETTLED, [quote(600_000, TUESDAY + 1), own(9_000_000)])
        assert added(made) == [("cost", 9_000_000), ("charge", 9_000_000)]

    def test_ends_when_it_is_taken_out_and_the_list_counts_again_however_far_apart(self):
        books = after(SETTLED, revise(SETTLED, [own(9_000_000)]))
        assert added(revise(books, [quote()])) == [("cost", 526_000), ("charge", 526_000)]

    def test_may_give_a_size_away_and_the_cost_stays(self):
        free = replace(own(0), source="c.Prices.charge")
        made = revise(SETTLED, [quote()], [free])
        assert added(made) == [("charge", 0)]
        books = after(SETTLED, made)
        assert revise(books, [quote()], [free]) == Revision()
        assert added(revise(books, [quote()])) == [("charge", 526_000)]


class TestInAnotherUnit:
    BOOKS = Books({}, {}, unit="gpu_hour")

    def test_a_size_is_charged_as_the_admin_says_and_storage_is_free(self):
        stored = Quote(DISK, Rate(80_000, 1, 60, monthly=True), "USD", "a list", MONDAY)
        hour = replace(own(1_000_000), currency="gpu_hour")
        made = revise(self.BOOKS, [quote(), stored], [hour])
        assert added(made) == [("cost", 526_000), ("cost", 80_000), ("charge", 1_000_000),
                               ("charge", 0)]  # fmt: skip

    def test_a_size_that_the_admin_has_not_named_has_no_charge(self):
        made = revise(self.BOOKS, [quote()])
        assert added(made) == [("cost", 526_000)]
        assert without_price(after(self.BOOKS, made), [SMALL, DISK]) == [SMALL, DISK]
        assert without_price(SETTLED, [SMALL]) == []


amounts = st.integers(0, 3) | st.integers(0, 50_000_000)
offers = st.builds(
    quote, amounts, st.integers(0, 100), currency=st.sampled_from(["USD", "KRW"])
) | st.builds(own, st.integers(1, 50_000_000))


@given(st.lists(st.lists(offers, max_size=3), max_size=6))
def test_whatever_is_offered_no_price_is_nothing_foreign_or_a_leap_of_the_clouds(rounds):
    books = EMPTY
    for offered in rounds:
        before, made = books.cost.get(SMALL), revise(books, offered)
        books = after(books, made)
        entry, charged = books.cost.get(SMALL), books.charge.get(SMALL)
        assert (charged and charged.rate) == (entry and entry.rate)
        assert entry is not None or before is None, "a price is never lost"
        if entry is None or entry == before:
            continue
        assert entry.rate.num > 0
        assert {one.currency for _book, one in made.add} == {"USD"}
        if before is not None and not entry.by_admin and not before.by_admin:
            assert Fraction(1, 10) <= Fraction(entry.rate.num, before.rate.num) <= 10
        assert revise(books, offered).add == (), "the same again is no news"


def test_a_price_is_written_for_people():
    assert text_of(hourly(526_000), "USD") == "0.526 USD/h"
    assert text_of(Rate(80_000, 1, 60, monthly=True), "USD") == "0.08 USD/GiB-month"

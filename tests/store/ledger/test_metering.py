"""However often, and however badly, the cloud is looked at: what it dates is charged exactly."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from gpuspawner.policy.metering_changes import Note
from gpuspawner.policy.money import Component, Rate
from gpuspawner.store import ledger
from gpuspawner.store.database import Database, engine_of
from tests.store import postgresql
from tests.store.ledger.bank import ALL, HOUR, NINE, SWEEP
from tests.store.ledger.keeper import EXTRA, MINIMUM, SIZES, Keeper, Life, Start
from tests.store.wishes import KEY

pytestmark = SWEEP
SOME = settings(max_examples=800 if ALL else 10)
BEGIN = NINE + 1000
RUN = st.one_of(st.integers(1, 90), st.integers(1, 5000))
OFF = st.integers(2, 3000)
SIZE = st.sampled_from(sorted(SIZES))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """A database in which nobody else has prices or meters: nothing is ever committed to it here."""
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("metering") / "controller.sqlite"
        shutil.copy(request.getfixturevalue("sqlite_tables"), path)
        database = Database(f"sqlite:///{path}", KEY)
    else:
        server = request.getfixturevalue("postgresql_url")
        database = Database(postgresql.new_database(server), KEY)
        database.migrate()
    yield engine_of(database)
    database.close()


@contextmanager
def keeping(engine: Engine) -> Iterator[Keeper]:
    with engine.connect() as c:
        keeper = Keeper(c)
        try:
            yield keeper
        except AssertionError as wrong:
            raise AssertionError(f"{wrong}\n{keeper.dump()}") from wrong
        finally:
            c.rollback()


@st.composite
def lives(draw, *, dated: bool = True) -> Life:
    at, starts = BEGIN, []
    for _ in range(draw(st.integers(1, 4))):
        until = at + draw(RUN)
        starts.append(Start(at, until, draw(SIZE), dated))
        at = until + draw(OFF)
    return Life(tuple(starts))


@st.composite
def looks(draw, life: Life) -> list[tuple[int, str]]:
    """When and how the controller looks: never while some starts run, at least once after each."""
    end = life.starts[-1].until + 3000
    found = draw(st.lists(st.tuples(st.integers(BEGIN, end), HOW), max_size=12))
    for start, after in zip(life.starts, (*life.starts[1:], None), strict=True):
        until = after.since - 1 if after else end
        found.append((draw(st.integers(start.until, until)), "well"))
    return sorted(found)


HOW = st.sampled_from(["well", "well", "twice", "killed", "forgetful", "missing"])


def play(keeper: Keeper, life: Life, plan: list[tuple[int, str]]) -> None:
    for at, how in plan:
        if how == "killed":
            keeper.crash(life, at)
        elif how == "missing":
            keeper.follow(life, at, missing=True)
        else:
            keeper.follow(life, at)
        if how == "twice":
            # That a session is up is noted of a meter that is there.
            assert {type(one) for one in keeper.follow(life, at).changes} <= {Note}
            assert keeper.follow(life, at).changes == ()
        if how == "forgetful":
            keeper.witness = type(keeper.witness)()


def was_seen(start: Start, plan: list[tuple[int, str]]) -> bool:
    """Whether a look that counted fell into the start."""
    return any(
        start.since <= at < start.until and how not in ("killed", "missing") for at, how in plan
    )


def doubted(life: Life, keeper: Keeper) -> int:
    """What the seconds between its end and the listing that first left it out cost at most."""
    dearest, seconds = max(SIZES.values()) + EXTRA, 0
    for resource, _component, since, until, reason, _payer in keeper.segments():
        if resource == life.resource and reason == "vanished":
            ended = max(one.until for one in life.starts if one.since <= since)
            seconds += max(0, until - ended)
    return -(-dearest * seconds // HOUR)


@pytest.mark.ledger("I5")
@SOME
@given(data=st.data())
def test_what_the_cloud_dates_is_charged_to_the_second_whoever_looks_when(
    engine: Engine, data: st.DataObject
) -> None:
    life = data.draw(lives())
    plan = data.draw(looks(life))
    with keeping(engine) as keeper:
        play(keeper, life, plan)
        students = sum(
            one.amount() for one in life.starts if was_seen(one, plan) and one.up_at < one.until
        )
        everything = sum(one.amount() for one in life.starts)
        segments = len(keeper.segments())
        sums = keeper.sums()
        if any(how == "missing" for _, how in plan):
            # A listing that leaves it out for minutes may cut a start in two. If it had just ended,
            # the pool pays up to the listing that first left it out: never a student.
            doubt = doubted(life, keeper)
            assert sums["student"] <= students
            assert -doubt <= everything - sums["student"] - sums["pool"] <= segments
            cost = sum(one.amount(EXTRA) for one in life.starts)
            assert -doubt <= cost - sums["cost"] <= segments
        else:
            assert sums == {
                "student": students,
                "pool": everything - students,
                "cost": sum(one.amount(EXTRA) for one in life.starts),
            }
        assert keeper.overlaps() == []
        assert ledger.differences(keeper.c) == []


@pytest.mark.ledger("I5")
@SOME
@given(data=st.data())
def test_two_controllers_that_look_differently_charge_the_same(
    engine: Engine, data: st.DataObject
) -> None:
    life = data.draw(lives())
    seldom = data.draw(looks(life))
    often = sorted(seldom + data.draw(looks(life)))
    charged = []
    for plan in (seldom, often):
        exact = [(at, "well" if how == "missing" else how) for at, how in plan]
        with keeping(engine) as keeper:
            play(keeper, life, exact)
            # The last look of both reads the disk to the same time.
            keeper.follow(life, life.starts[-1].until + 4000)
            sums = keeper.sums()
            disk = keeper.sums(Component.DISK)
            charged.append((sums["student"] + sums["pool"], sums["cost"], disk))
    assert charged[0] == charged[1]


@pytest.mark.ledger("I10")
@SOME
@given(data=st.data())
def test_what_nobody_dates_is_never_less_than_it_was_and_no_student_pays_for_the_doubt(
    engine: Engine, data: st.DataObject
) -> None:
    life = data.draw(lives(dated=False))
    # A look that is repeated counts as another, and what nobody has seen to run is then believed.
    plan = [(at, "well" if how == "twice" else how) for at, how in data.draw(looks(life))]
    plan = [(at, how) for at, how in plan if how != "missing"]
    # What was never seen to run is believed after a while.
    last = life.starts[-1].until + 3000
    plan += [(last + more, "well") for more in (0, 70, 140)]
    with keeping(engine) as keeper:
        play(keeper, life, plan)
        sums, segments = keeper.sums(), len(keeper.segments())
        up = [one for one in life.starts if was_seen(one, plan) and one.up_at < one.until]
        truth = sum(one.amount(EXTRA) for one in life.starts if was_seen(one, plan))
        assert sums["student"] <= sum(one.amount() for one in up)
        assert sums["cost"] >= truth - segments
        assert keeper.overlaps() == []
        assert ledger.differences(keeper.c) == []


class TestPrices:
    def test_a_price_that_changes_while_nobody_looks_reaches_only_what_ran_by_then(self, engine):
        with keeping(engine) as keeper:
            life = Life((Start(BEGIN, BEGIN + HOUR),))
            keeper.follow(life, BEGIN + 100)
            dearer = Rate(2 * SIZES["small"], HOUR, MINIMUM)
            keeper.price("small", Component.COMPUTE, dearer, BEGIN + 1800, now=BEGIN + 1800)
            keeper.follow(life, BEGIN + 2 * HOUR)
            assert keeper.sums()["student"] == SIZES["small"] // 2 + SIZES["small"]

    def test_a_price_that_changes_after_the_end_changes_nothing(self, engine):
        with keeping(engine) as keeper:
            life = Life((Start(BEGIN, BEGIN + HOUR),))
            keeper.follow(life, BEGIN + 100)
            dearer = Rate(2 * SIZES["small"], HOUR, MINIMUM)
            keeper.price("small", Component.COMPUTE, dearer, BEGIN + HOUR + 9, BEGIN + HOUR + 9)
            keeper.follow(life, BEGIN + 2 * HOUR)
            assert keeper.sums()["student"] == SIZES["small"]
            assert [one[2:5] for one in keeper.segments() if one[1] == "compute"] == [
                (BEGIN, BEGIN + HOUR, "stopped")
            ]

    def test_what_has_no_price_is_named_and_charged_from_its_beginning_once_there_is_one(
        self, engine
    ):
        with keeping(engine) as keeper:
            life = Life((Start(BEGIN, BEGIN + HOUR, "strange"),))
            keeper.follow(life, BEGIN + 100)
            assert {use.sku for use in keeper.outcome.unpriced} == {"strange"}
            assert keeper.sums() == {"student": 0, "pool": 0, "cost": 0}

            rate = Rate(700_000, HOUR, MINIMUM)
            keeper.price("strange", Component.COMPUTE, rate, BEGIN + 600, now=BEGIN + 600)
            keeper.follow(life, BEGIN + 700)
            assert keeper.outcome.unpriced == frozenset()
            keeper.follow(life, BEGIN + 2 * HOUR)
            # The price that was backdated and the price itself are two segments.
            assert keeper.sums()["student"] == 700_000 * 600 // HOUR + 700_000 * 3000 // HOUR

    def test_a_price_in_one_book_only_is_no_price(self, engine):
        with keeping(engine) as keeper:
            life = Life((Start(BEGIN, BEGIN + HOUR, "strange"),))
            ledger.add_price(
                keeper.c, keeper.course, ledger.prices.Book.CHARGE,
                ledger.Sku("fake", "r", "strange"), Component.COMPUTE, Rate(1, 1),
                valid_from=0, source="a test", fetched_at=NINE, now=NINE,
            )  # fmt: skip
            keeper.follow(life, BEGIN + 100)
            assert {use.sku for use in keeper.outcome.unpriced} == {"strange"}


def test_that_a_session_was_up_is_noted_once(engine):
    with keeping(engine) as keeper:
        life = Life((Start(BEGIN, BEGIN + HOUR),))
        keeper.follow(life, BEGIN + 10)
        made = [keeper.follow(life, BEGIN + at).changes for at in (40, 50)]
        assert [len([one for one in some if isinstance(one, Note)]) for some in made] == [1, 0]


@pytest.mark.parametrize("looked_at", [[], [50]], ids=["by nobody", "once"])
def test_a_start_is_charged_though_it_was_looked_at_only_after_its_end(engine, looked_at):
    with keeping(engine) as keeper:
        life = Life((Start(BEGIN, BEGIN + 600),))
        for at in looked_at:
            keeper.follow(life, BEGIN + at)
        keeper.follow(life, BEGIN + 9000)
        payer = "student" if looked_at else "pool"
        assert keeper.sums()[payer] == life.starts[0].amount()


def test_what_was_over_before_the_ledger_knew_of_prices_is_not_charged(engine):
    with keeping(engine) as keeper:
        # Other tests leave their prices in the course, which may be older than the keeper's.
        ((known,),) = keeper.ask("SELECT min(recorded_at) FROM prices")
        keeper.follow(Life((Start(known - 9000, known - 5000),)), NINE + 60)
        assert keeper.sums() == {"student": 0, "pool": 0, "cost": 0}
        assert [one[1] for one in keeper.segments()] == ["disk"]

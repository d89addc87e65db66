"""Students with little credit, all of them at once, and whatever goes wrong: nobody ever owes.

I7, I8, I13 and I15 of the ledger under the whole controller (its API, reconciler, meter, keeper of
credit and culler) before a cloud in memory.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from gpuspawner.policy.money import Rate, hold_for
from gpuspawner.store.database import Database
from tests.controllers.stage import IDENTITY
from tests.faults.credit_class import CreditClass, credit_class

ALL = os.environ.get("GPUSPAWNER_FAULTS") == "all"
pytestmark = pytest.mark.timeout(3600 if ALL else 180)

NEEDED = hold_for(Rate(526_000, 3600, 60), session=60)
"""What a start of the small size sets aside, by the rule of docs/credit-rules.md."""

USERS, SERVERS, SIZES = (0, 1), ("", "b"), ("small", "large")
users, servers, sizes = st.sampled_from(USERS), st.sampled_from(SERVERS), st.sampled_from(SIZES)
calm = [
    st.tuples(st.just("starts"), users, servers, sizes),
    st.tuples(st.just("starts both"), users, sizes),
    st.tuples(st.just("stops"), users, servers),
    st.tuples(st.just("waits"), st.integers(1, 900)),
    st.tuples(st.just("is given"), users, st.integers(1, 200_000)),
    st.tuples(st.just("kill")),
]
rough = [
    st.tuples(st.just("reprice"), sizes, st.integers(20, 500)),
    st.tuples(
        st.just("fails"), st.sampled_from(["list", "start", "stop", "create"]), st.integers(1, 4)
    ),
    st.tuples(st.just("jump"), st.integers(-600, 600)),
]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with empty tables, to be copied."""
    path = tmp_path_factory.mktemp("tables") / "controller.sqlite"
    database = Database(f"sqlite:///{path}", IDENTITY.encryption_key)
    database.migrate()
    database.close()
    return path


async def act(one: CreditClass, what: str, *how) -> None:
    if what == "starts":
        await one.starts(f"student{how[0]}", how[1], size=how[2])
    elif what == "starts both":
        await one.starts(f"student{how[0]}", *SERVERS, size=how[1])
    elif what == "stops":
        await one.stops(f"student{how[0]}", how[1])
    elif what == "waits":
        await one.goes_on(how[0])
    elif what == "is given":
        await one.gives(f"student{how[0]}", how[1])
    elif what == "kill":
        await one.kill()
    elif what == "reprice":
        await one.reprices(*how)
    elif what == "fails":
        one.fails(*how)
    elif what == "jump":
        one.jumps(*how)


def play(tables: Path, balances, grace, plot) -> None:
    async def live() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with credit_class(Path(folder), tables, balances, grace=grace) as one:
                for what, *how in plot:
                    await act(one, what, *how)
                    await one.goes_on(30)
                await one.comes_to_rest()
                await one.is_over()
                for name, count in one.counts.items():
                    event(name, "some" if count else "none")

    asyncio.run(live())


balances = st.lists(st.integers(0, 6 * NEEDED), min_size=len(USERS), max_size=len(USERS))


@pytest.mark.ledger("I7", "I8", "I15")
@settings(max_examples=400 if ALL else 8)
@given(
    balances=balances,
    grace=st.sampled_from([0.0, 120.0]),
    plot=st.lists(st.one_of(calm), min_size=3, max_size=10),
)
@example([2 * NEEDED, 0], 0.0, [("starts both", 0, "small"), ("waits", 900), ("waits", 900)])
def test_nobody_owes_and_nothing_is_written_off_while_the_cloud_does_what_it_is_asked(
    tables, balances, grace, plot
):
    play(tables, balances, grace, plot)


@pytest.mark.ledger("I7", "I8", "I15")
@settings(max_examples=400 if ALL else 8)
@given(
    balances=balances,
    grace=st.sampled_from([0.0, 120.0]),
    plot=st.lists(st.one_of(calm + rough), min_size=3, max_size=10),
)
@example(
    [2 * NEEDED, 0], 0.0, [("starts", 0, "", "small"), ("waits", 60), ("fails", "stop", 3), ("waits", 900)]
)  # fmt: skip
def test_nobody_owes_whatever_the_cloud_the_clock_and_the_prices_do(tables, balances, grace, plot):
    play(tables, balances, grace, plot)


@pytest.mark.ledger("I7", "I13")
@settings(max_examples=200 if ALL else 8)
@given(balance=st.integers(0, 3 * NEEDED))
@example(NEEDED - 1)
@example(NEEDED)
@example(2 * NEEDED - 1)
@example(2 * NEEDED)
def test_two_starts_at_once_are_admitted_as_far_as_the_credit_reaches(tables, balance):
    async def press() -> tuple[int, list[tuple[int, int]]]:
        with tempfile.TemporaryDirectory() as folder:
            async with credit_class(Path(folder), tables, [balance]) as one:
                return await one.starts("student0", *SERVERS), await one.standing()

    admitted = min(2, balance // NEEDED)
    assert asyncio.run(press()) == (admitted, [(balance, admitted * NEEDED)])

"""The ledger beside the bill: production code before an emulated Azure that keeps a bill of its own.

Azure dates less than EC2 (`gpuspawner.providers.azure_times`), and the controller is replaced where
that matters most.
"""

from __future__ import annotations

import pytest

from gpuspawner.emulator import arm_prices
from gpuspawner.store.database import Database
from tests.providers.accounts import Accounts
from tests.providers.azure_cloud import HERE, NOON, SIZES, wish
from tests.store.wishes import KEY

pytestmark = pytest.mark.emulator

T4, A10 = SIZES
LEAST = arm_prices.MINIMUM_SECONDS["machine"]
BEING_MADE, DEALLOCATING = 8, 5
"""As the emulated cloud of these tests takes, in seconds."""


@pytest.fixture
async def accounts(azure, tmp_path):
    database = Database(f"sqlite:///{tmp_path}/gpuspawner.sqlite", KEY)
    database.migrate()
    try:
        accounts = Accounts(azure, database, HERE, wish)
        await accounts.price(HERE.region, arm_prices.PRICES, int(NOON))
        yield accounts
    finally:
        database.close()


async def instantly(accounts: Accounts) -> None:
    await accounts.cloud.fault(kind="times", pending=0, stopping=0, shutting_down=0, attaching=0)


async def apart(accounts: Accounts) -> list[tuple[str, str, int, int, int]]:
    """What differs by more than a micro a segment."""
    return [one for one in await accounts.comparison() if abs(one[2] - one[3]) > one[4]]


async def a_week(accounts: Accounts) -> None:
    """Starts, stops, a resize, deletions, homes; looked at now and then, by one controller and the next."""
    one, two = await accounts.create(), await accounts.create()
    home = await accounts.home(20)
    await accounts.look()
    await accounts.passes(75)
    await accounts.provider.attach_home(home, one)
    await accounts.passes(30)
    accounts.forget()
    await accounts.passes(3601)
    await accounts.provider.stop([one])
    accounts.forget()
    await accounts.passes(7200)
    await accounts.provider.start([one], A10)
    await accounts.passes(61)
    accounts.forget()
    await accounts.passes(11_111, looking=False)
    await accounts.provider.stop([one, two])
    await accounts.passes(400)
    await accounts.provider.start([one], T4)
    await accounts.passes(600)
    await accounts.passes(600, looking=False)
    await accounts.provider.stop([one])
    accounts.forget()
    await accounts.passes(86_400)
    three = await accounts.create(disk_gib=80)
    await accounts.passes(5, looking=False)
    await accounts.passes(390)
    await accounts.provider.delete(three)
    await accounts.look()
    await accounts.passes(30)
    for _ in range(3):
        await accounts.passes(60)
    await accounts.provider.delete(two)
    await accounts.look()
    for _ in range(4):
        await accounts.passes(60)


async def test_without_delays_the_cost_book_is_the_bill_to_one_micro_a_segment(accounts: Accounts):
    await instantly(accounts)
    await a_week(accounts)
    assert await apart(accounts) == []
    assert len(await accounts.comparison()) == 7


async def test_with_delays_computing_costs_more_by_what_azure_does_not_date_and_never_less(
    accounts: Accounts,
):
    await a_week(accounts)
    starts = [line for line in await accounts.lines() if line["kind"] == "machine"]
    for kind, id_, billed, cost, segments in await accounts.comparison():
        assert cost >= billed - segments, (kind, id_)
        undated = sum(
            (BEING_MADE + DEALLOCATING) * line["price_micros"] / 3600
            for line in starts
            if line["id"] == id_
        )
        if kind == "machine":
            assert cost - billed <= undated + segments, (id_, cost, billed, undated)


async def test_a_machine_that_is_made_between_two_looks_is_charged_from_when_it_ran(
    accounts: Accounts,
):
    await accounts.look()
    await accounts.create()
    await accounts.passes(BEING_MADE + 4, looking=False)
    await accounts.passes(LEAST + 100)
    [(_kind, _id, billed, cost, segments)] = [
        one for one in await accounts.comparison() if one[0] == "machine"
    ]
    assert abs(cost - billed) <= segments


async def test_a_controller_that_looks_all_along_charges_a_session_to_the_second(
    accounts: Accounts,
):
    id_ = await accounts.create()
    for seconds in (3, 3, 3, 3, 600):
        await accounts.passes(seconds)
    await accounts.cloud.post(f"machines/{id_}/power", {"action": "off"})
    await accounts.passes(3)
    await accounts.provider.stop([id_])
    await accounts.passes(3)
    await accounts.passes(3)
    assert [one for one in await apart(accounts) if one[0] == "machine"] == []


@pytest.mark.parametrize("looks_at_once", [True, False])
async def test_a_poweroff_is_charged_up_to_when_deallocating_began(
    accounts: Accounts, looks_at_once: bool
):
    id_ = await accounts.create()
    await accounts.passes(4)
    await accounts.passes(1000)
    await accounts.cloud.post(f"machines/{id_}/power", {"action": "off"})
    await accounts.passes(20)
    await accounts.provider.stop([id_])
    if looks_at_once:
        await accounts.passes(1)
    await accounts.passes(3000)  # Azure remembers what it was asked for an hour
    assert [one for one in await apart(accounts) if one[0] == "machine"] == []


async def test_a_deletion_is_charged_up_to_when_it_began_though_nobody_looked_for_an_hour(
    accounts: Accounts,
):
    id_ = await accounts.create()
    await accounts.passes(4)
    await accounts.passes(1000)
    await accounts.provider.delete(id_)
    await accounts.passes(3000)
    assert [one for one in await apart(accounts) if one[0] == "machine"] == []


async def test_a_machine_that_was_being_made_is_charged_once_and_not_for_that(accounts: Accounts):
    await accounts.create()
    for _ in range(6):
        await accounts.passes(2)
    (line,) = [line for line in await accounts.lines() if line["kind"] == "machine"]
    (found,) = [one for one in await accounts.comparison() if one[0] == "machine"]
    assert found[2:] == (line["micros"], line["micros"], 1)
    assert line["billed_seconds"] == LEAST


async def test_a_start_that_fails_late_for_want_of_capacity_costs_nothing(accounts: Accounts):
    await accounts.cloud.fault(kind="capacity", type=T4, zone="*", limit=0, late=True)
    await accounts.create()
    for _ in range(6):
        await accounts.passes(2)
    assert [one for one in await accounts.comparison() if one[0] == "machine"] == []


async def test_a_machine_that_ran_and_was_stopped_while_no_controller_lived_is_closed_by_the_next(
    accounts: Accounts,
):
    await instantly(accounts)
    id_ = await accounts.create()
    await accounts.passes(10)
    await accounts.passes(5000, looking=False)
    await accounts.cloud.post(f"machines/{id_}/power", {"action": "stop"})
    await accounts.cloud.settle(500)
    accounts.forget()
    await accounts.look()
    open_ = await accounts.database.read(
        lambda c: c.exec_driver_sql(
            "SELECT count(*) FROM meters WHERE component = 'compute' AND closed_at IS NULL"
        ).scalar_one()
    )
    assert (open_, await apart(accounts)) == (0, [])

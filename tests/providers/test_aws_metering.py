"""The ledger beside the bill: production code before an emulated EC2 that keeps a bill of its own."""

from __future__ import annotations

from collections import defaultdict

import pytest

from gpuspawner.emulator import ec2_prices
from gpuspawner.store.database import Database
from tests.providers.accounts import Accounts
from tests.providers.aws_cloud import HERE, NOON, wish
from tests.store.wishes import KEY

pytestmark = pytest.mark.emulator

MINUTE = 60


@pytest.fixture
async def accounts(cloud, tmp_path):
    database = Database(f"sqlite:///{tmp_path}/gpuspawner.sqlite", KEY)
    database.migrate()
    try:
        accounts = Accounts(cloud, database, HERE, wish)
        await accounts.price(HERE.region, ec2_prices.PRICES, int(NOON))
        yield accounts
    finally:
        database.close()


async def with_address(accounts: Accounts) -> str:
    """A machine of this hub's as somebody makes it by hand: with a public address."""
    tags = [{"Key": "gpuspawner:hub", "Value": "0badcafe"}]
    answer = await accounts.provider._calls.ask(
        "RunInstances",
        ImageId=accounts.cloud.seed.image,
        InstanceType="g4dn.xlarge",
        MinCount=1,
        MaxCount=1,
        SubnetId=accounts.cloud.seed.subnets["us-east-1a"],
        TagSpecifications=[{"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")],
    )
    return answer["Instances"][0]["InstanceId"]


async def a_week(accounts: Accounts) -> None:
    """Starts, stops, a resize, terminations, homes; looked at now and then."""
    one, two = await accounts.create(), await accounts.create()
    home = await accounts.home(20)
    await accounts.look()
    await accounts.passes(75)
    await accounts.provider.attach_home(home, one)
    await accounts.passes(3601)
    await accounts.provider.stop([one])
    await accounts.passes(7200)
    accounts.forget()
    await accounts.provider.start([one], "g6.xlarge")
    await accounts.passes(61)
    await accounts.passes(11_111, looking=False)
    await accounts.provider.stop([one, two])
    await accounts.passes(400)
    await accounts.provider.start([one], "g4dn.xlarge")
    await accounts.passes(600, looking=False)
    await accounts.provider.stop([one])
    await accounts.passes(86_400)
    three = await accounts.create(disk_gib=80)
    await accounts.passes(5, looking=False)
    await accounts.passes(90)
    await accounts.provider.delete(three)
    await accounts.look()
    await accounts.passes(30)
    for _ in range(3):
        await accounts.passes(60)
    await accounts.provider.delete(two)
    await accounts.look()
    for _ in range(4):
        await accounts.passes(60)
    await accounts.passes(100)


async def instantly(accounts: Accounts) -> None:
    await accounts.cloud.fault(kind="times", pending=0, stopping=0, shutting_down=0, attaching=0)


async def test_without_delays_the_cost_book_is_the_bill_to_one_micro_a_segment(accounts: Accounts):
    await instantly(accounts)
    await a_week(accounts)
    found = await accounts.comparison()
    assert [one for one in found if abs(one[2] - one[3]) > one[4]] == [], found
    assert len(found) == 7, found


async def test_with_delays_computing_costs_more_by_the_seconds_of_pending_and_nothing_else(
    accounts: Accounts,
):
    await a_week(accounts)
    starts = defaultdict(list)
    for line in await accounts.lines():
        starts[line["id"]].append(line)
    for kind, id_, billed, cost, segments in await accounts.comparison():
        assert cost >= billed - segments, (kind, id_)
        if kind == "machine":
            pending = sum(
                (max(line["seconds"] + 8, MINUTE) - line["billed_seconds"]) * line["price_micros"]
                for line in starts[id_]
            )
            assert abs(cost - billed - pending / 3600) <= segments, (id_, cost, billed, pending)


async def test_an_address_costs_as_long_as_there_is_one(accounts: Accounts):
    await instantly(accounts)
    id_ = await with_address(accounts)
    await accounts.look()
    await accounts.passes(5000)
    await accounts.provider.stop([id_])
    await accounts.look()
    await accounts.passes(300)
    await accounts.provider.start([id_], "g4dn.xlarge")
    await accounts.passes(100)
    found = {one[0]: one for one in await accounts.comparison()}
    assert abs(found["address"][2] - found["address"][3]) <= found["address"][4], found
    assert found["address"][2] > 5000 * 5000 // 3600


async def test_a_machine_that_switches_itself_off_is_never_charged_less_than_it_cost(
    accounts: Accounts,
):
    await instantly(accounts)
    id_ = await accounts.create()
    await accounts.look()
    await accounts.passes(1000)
    accounts.cloud.emulator.world.lifecycle.powered(id_, "poweroff")
    await accounts.passes(45)
    await accounts.passes(5000)
    found = {one[0]: one for one in await accounts.comparison()}
    _, _, billed, cost, _ = found["machine"]
    later = 45 * ec2_prices.MACHINES["g4dn.xlarge"] // 3600
    assert billed <= cost <= billed + later + 1


async def test_late_and_double_listings_change_nothing(accounts: Accounts):
    await instantly(accounts)
    await accounts.cloud.fault(kind="lag", hidden=20, stale=10)
    await accounts.cloud.fault(action="DescribeInstances", pages="duplicate")
    id_ = await accounts.create()
    for _ in range(20):
        await accounts.passes(7)
    await accounts.provider.stop([id_])
    for _ in range(5):
        await accounts.passes(7)
    found = await accounts.comparison()
    assert [one for one in found if abs(one[2] - one[3]) > one[4]] == [], found

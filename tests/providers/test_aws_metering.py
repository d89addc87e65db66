"""The ledger beside the bill: production code before an emulated EC2 that keeps a bill of its own."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

import pytest
from sqlalchemy import text

from gpuspawner.controllers.meter import Meter
from gpuspawner.emulator import ec2_prices
from gpuspawner.policy.billed import ADDRESS_SKU
from gpuspawner.policy.money import Book, Component, Rate, seconds_of
from gpuspawner.policy.steps import Known
from gpuspawner.providers.base import HomeRequest
from gpuspawner.store import ledger
from gpuspawner.store.database import Database
from gpuspawner.store.ledger import Sku
from gpuspawner.store.seen import Seen
from tests.providers.aws_cloud import HERE, NOON, wish
from tests.store.wishes import KEY

pytestmark = pytest.mark.emulator

KINDS = {"compute": "machine", "disk": "disk", "home": "disk", "address": "address"}
"""What the bill calls a component."""

MINUTE, HOUR = 60, 3600


class Accounts:
    """A provider before the cloud, and the books that follow what it lists."""

    def __init__(self, cloud, database: Database) -> None:
        self.cloud, self.database = cloud, database
        self.provider = cloud.provider()
        self.ids: list[str] = []
        self.forget()

    def forget(self) -> None:
        """Another controller begins."""
        seen = Seen(timedelta(seconds=180), timedelta(seconds=900))
        self.meter = Meter("aws", self.database, seen, self.cloud.clock)

    async def look(self) -> None:
        world = await self.provider.list()
        self.meter.listed(world, Known(), self.cloud.clock.now())
        assert await self.meter.look()

    async def passes(self, seconds: float, *, looking: bool = True) -> None:
        await self.cloud.settle(seconds)
        if looking:
            await self.look()

    async def create(self, **changes) -> str:
        made = await self.provider.create(wish(**changes))
        self.ids.append(made.id)
        return made.id

    async def home(self, gib: int) -> str:
        request = HomeRequest(f"token-{gib}", "gs-x", "7", HERE.region, HERE.zone, gib)
        return (await self.provider.create_home(request)).id

    async def with_address(self) -> str:
        """A machine of this hub's as somebody makes it by hand: with a public address."""
        tags = [{"Key": "gpuspawner:hub", "Value": "0badcafe"}]
        answer = await self.provider._calls.ask(
            "RunInstances",
            ImageId=self.cloud.seed.image,
            InstanceType="g4dn.xlarge",
            MinCount=1,
            MaxCount=1,
            SubnetId=self.cloud.seed.subnets["us-east-1a"],
            TagSpecifications=[
                {"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")
            ],
        )
        return answer["Instances"][0]["InstanceId"]

    async def comparison(self) -> list[tuple[str, str, int, int, int]]:
        """Of everything that was billed: what, which, the bill, the cost book, and its segments."""
        now = seconds_of(self.cloud.clock.now())
        await self.database.run(ledger.settle_all, now, now=now)
        bill = (await self.cloud._ask("GET", "bill"))["lines"]
        billed: dict[tuple[str, str], list[int]] = defaultdict(list)
        for line in bill:
            billed[line["kind"], line["id"]].append(line["micros"])
        rows = await self.database.read(
            lambda c: c.execute(
                text(
                    "SELECT resource, component, sum(cost) AS cost, count(*) AS segments "
                    "FROM meters GROUP BY resource, component"
                )
            ).all()
        )
        books = {(KINDS[row.component], row.resource): (row.cost, row.segments) for row in rows}
        assert books.keys() == billed.keys()
        return [
            (kind, id_, sum(micros), *books[kind, id_])
            for (kind, id_), micros in sorted(billed.items())
        ]


def price(c) -> None:
    course, now = ledger.course(c).id, int(NOON)
    rates = {
        (size, Component.COMPUTE): Rate(micros, HOUR, MINUTE)
        for size, micros in ec2_prices.MACHINES.items()
    }
    for kind, micros in ec2_prices.DISKS.items():
        month = Rate(micros, 1, MINUTE, monthly=True)
        rates |= {(kind, Component.DISK): month, (kind, Component.HOME): month}
    rates[ADDRESS_SKU, Component.ADDRESS] = Rate(ec2_prices.ADDRESS, 3600, MINUTE)
    for (sku, component), rate in rates.items():
        for book in Book:
            ledger.add_price(
                c, course, book, Sku("aws", "us-east-1", sku), component, rate, valid_from=0,
                source="the emulator", fetched_at=now, now=now,
            )  # fmt: skip


@pytest.fixture
async def accounts(cloud, tmp_path):
    database = Database(f"sqlite:///{tmp_path}/gpuspawner.sqlite", KEY)
    database.migrate()
    try:
        await database.run(price)
        yield Accounts(cloud, database)
    finally:
        database.close()


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
    for line in (await accounts.cloud._ask("GET", "bill"))["lines"]:
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
    id_ = await accounts.with_address()
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

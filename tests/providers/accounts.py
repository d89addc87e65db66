"""A provider before an emulated cloud that keeps a bill, and the books that follow what it lists."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from gpuspawner.controllers.meter import Meter
from gpuspawner.emulator.bill import Prices
from gpuspawner.model import Placement
from gpuspawner.policy.billed import ADDRESS_SKU
from gpuspawner.policy.money import Book, Component, Rate, seconds_of
from gpuspawner.policy.steps import Known
from gpuspawner.providers.base import HomeRequest
from gpuspawner.store import ledger
from gpuspawner.store.database import Database
from gpuspawner.store.ledger import Sku
from gpuspawner.store.seen import Seen

KINDS = {"compute": "machine", "disk": "disk", "home": "disk", "address": "address"}
"""What the bill calls a component."""

_HOUR = 3600


class Accounts:
    """One course's books. `wish` makes a request for a machine `here`."""

    def __init__(self, cloud: Any, database: Database, here: Placement, wish: Any) -> None:
        self.cloud, self.database, self._here, self._wish = cloud, database, here, wish
        self.forget()

    def forget(self) -> None:
        """Another controller begins."""
        self.provider = self.cloud.provider()
        seen = Seen(timedelta(seconds=180), timedelta(seconds=900))
        self.meter = Meter(self.provider.name, self.database, seen, self.cloud.clock)

    async def look(self) -> None:
        world = await self.provider.list()
        self.meter.listed(world, Known(), self.cloud.clock.now())
        assert await self.meter.look()

    async def passes(self, seconds: float, *, looking: bool = True) -> None:
        await self.cloud.settle(seconds)
        if looking:
            await self.look()

    async def create(self, **changes: Any) -> str:
        return (await self.provider.create(self._wish(**changes))).id

    async def home(self, gib: int) -> str:
        region, zone = self._here.region, self._here.zone
        request = HomeRequest(f"token-{gib}", "gs-x", "7", region, zone, gib)
        return (await self.provider.create_home(request)).id

    async def comparison(self) -> list[tuple[str, str, int, int, int]]:
        """Of everything that was billed: what, which, the bill, the cost book, and its segments."""
        now = seconds_of(self.cloud.clock.now())
        await self.database.run(ledger.settle_all, now, now=now)
        billed: dict[tuple[str, str], list[int]] = defaultdict(list)
        for line in await self.lines():
            billed[line["kind"], line["id"].rpartition("/")[2]].append(line["micros"])
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

    async def lines(self) -> list[dict[str, Any]]:
        """The lines of the bill."""
        return list((await self.cloud._ask("GET", "bill"))["lines"])

    async def price(self, region: str, prices: Prices, now: int) -> None:
        """Write the emulator's own prices into both books."""
        cloud, least = self.provider.name, prices.minimum_seconds
        rates = {
            (size, Component.COMPUTE): Rate(micros, _HOUR, least.get("machine", 0))
            for size, micros in prices.machines.items()
        }
        for kind, micros in prices.disks.items():
            month = Rate(micros, 1, least.get("disk", 0), monthly=True)
            rates |= {(kind, Component.DISK): month, (kind, Component.HOME): month}
        rates[ADDRESS_SKU, Component.ADDRESS] = Rate(prices.address, _HOUR, least.get("address", 0))

        def write(c: Any) -> None:
            course = ledger.course(c).id
            for (sku, component), rate in rates.items():
                for book in Book:
                    ledger.add_price(
                        c, course, book, Sku(cloud, region, sku), component, rate, valid_from=0,
                        source="the emulator", fetched_at=now, now=now,
                    )  # fmt: skip

        await self.database.run(write)

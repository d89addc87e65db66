"""What things cost in an account in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gpuspawner.model import Offering
from gpuspawner.policy.billed import ADDRESS_SKU
from gpuspawner.policy.money import Component, Rate
from gpuspawner.policy.prices import Quote, Thing
from gpuspawner.testing.disks import DISK_TYPE

_STORED = Rate(80_000, 1, 60, monthly=True)
_ADDRESS = Rate(5_000, 3600, 60)


def listed(name: str, offered: Iterable[Offering]) -> Iterator[Quote]:
    """The sizes at the prices at which they are offered, disks and addresses."""
    for one in offered:
        where, rate = one.placement, Rate(one.price_micros, 3600, 60)
        thing = Thing(name, where.region, where.size, Component.COMPUTE)
        yield Quote(thing, rate, one.currency, "a cloud in memory", 0)
    for region in sorted({one.placement.region for one in offered}):
        for sku, component, rate in (
            (DISK_TYPE, Component.DISK, _STORED),
            (DISK_TYPE, Component.HOME, _STORED),
            (ADDRESS_SKU, Component.ADDRESS, _ADDRESS),
        ):
            yield Quote(Thing(name, region, sku, component), rate, "USD", "a cloud in memory", 0)

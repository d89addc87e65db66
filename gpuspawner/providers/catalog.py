"""What the clouds asked for when this was released: dated lists, so that charging never waits.

A cloud's price service can be down, slow or forbidden; a ledger cannot. The lists are data
(`catalog.json`): by cloud and region, each with its source and date. A region that is not in it has
no prices until the admin or the cloud's price service says some: what cannot be charged is not
started.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

from gpuspawner.policy.billed import ADDRESS_SKU
from gpuspawner.policy.money import MICROS, Component, Rate, seconds_of
from gpuspawner.policy.prices import Quote, Thing

_HOUR = 3600


def quotes(provider: str, region: str) -> tuple[Quote, ...]:
    """The shipped prices of one cloud in one region; none when it is not in the catalog."""
    cloud = _clouds().get(provider)
    if cloud is None:
        return ()
    return tuple(_quotes(provider, region, cloud))


def machines(provider: str, region: str) -> dict[str, Quote]:
    """Those of them that are of machines, by size."""
    return {
        quote.thing.sku: quote
        for quote in quotes(provider, region)
        if quote.thing.component is Component.COMPUTE
    }


def disk_types(provider: str) -> frozenset[str]:
    """The names of a cloud's kinds of disks, priced by the GiB and month."""
    return frozenset(_clouds().get(provider, {}).get("disk_types", ()))


def unverified(provider: str) -> frozenset[str]:
    """The names that are in the list from hearsay, and should be compared with the cloud's page."""
    return frozenset(_clouds().get(provider, {}).get("unverified", ()))


def things(provider: str, region: str, name: str) -> tuple[Thing, ...]:
    """What a name in a price setting means: a kind of disk, a public address, else a size."""
    if name == ADDRESS_SKU:
        kinds: tuple[Component, ...] = (Component.ADDRESS,)
    elif name in disk_types(provider):
        kinds = (Component.DISK, Component.HOME)
    else:
        kinds = (Component.COMPUTE,)
    return tuple(Thing(provider, region, name, kind) for kind in kinds)


def rate_of(thing: Thing, amount: Decimal) -> Rate:
    """The rate of so much of the unit: for an hour, or for a GiB and month of a disk."""
    minimums: Mapping[str, int] = _clouds().get(thing.provider, {}).get("minimum_seconds", {})
    micros, least = to_micros(amount), minimums.get(thing.component.value, 0)
    if thing.component in (Component.DISK, Component.HOME):
        return Rate(micros, 1, least, monthly=True)
    return Rate(micros, _HOUR, least)


def to_micros(amount: Decimal | float | str) -> int:
    """An amount as it was written, in micros: 0.526 is 526000, whatever binary makes of it."""
    exact = Decimal(repr(amount)) if isinstance(amount, float) else Decimal(amount)
    return int((exact * MICROS).to_integral_value())


def _quotes(provider: str, region: str, cloud: Mapping[str, Any]) -> Iterator[Quote]:
    for part in cloud["regions"].get(region, {}).values():
        as_of = seconds_of(datetime.fromisoformat(part["as_of"]).replace(tzinfo=timezone.utc))
        for name, amount in (part.get("per_hour") or part["per_gib_month"]).items():
            for thing in things(provider, region, name):
                rate = rate_of(thing, Decimal(amount))
                yield Quote(thing, rate, cloud["currency"], part["source"], as_of)


@cache
def _clouds() -> Mapping[str, Any]:
    text = resources.files(__package__).joinpath("catalog.json").read_text(encoding="utf-8")
    read: Mapping[str, Any] = json.loads(text)
    return read

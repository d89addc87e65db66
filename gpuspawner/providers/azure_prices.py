"""The prices that Azure's Retail Prices API gives, read strictly: what is not plainly a price is an error.

It is public, asks for no credential, and only its US dollars are binding. Filter values are
case-sensitive. Facts: learn.microsoft.com, "Azure Retail Prices REST API"; the names of the fields
were tried on an emulated list, not on the real one. Addresses are not asked for.

A managed disk has a price for each tier of its kind. The books count in GiB, and a disk as the GiB of
its tier (`azure_tiers`): of all tiers up to 1 TiB, the dearest GiB counts, so that nothing is ever
charged less than billed. The tiers of standard SSDs cost the same a GiB; small ones of premium SSDs
more than larger ones, by a tenth.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import ROUND_UP, Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from gpuspawner.errors import ProviderUnavailable
from gpuspawner.policy.money import Component
from gpuspawner.policy.prices import Quote, Thing
from gpuspawner.providers import catalog
from gpuspawner.providers.azure_tiers import TIERS
from gpuspawner.settings.azure_record import AzureRecord

URL = "https://prices.azure.com/api/retail/prices"
SOURCE = "Azure Retail Prices API"

_VERSION = "2023-01-01-preview"
_SECONDS = 60.0
_PAGES = 20
_BYTES = 4 * 2**20
_DIGITS = 12
_MOST_GIB = 1024
_MICRO = Decimal("0.000001")
_DISKS = {
    "StandardSSD_LRS": "Standard SSD Managed Disks",
    "Premium_LRS": "Premium SSD Managed Disks",
}
"""The list's name of each kind of disk that can be configured."""

_TIER = re.compile(r"[EP](\d+) LRS")
_ANOTHER = ("Windows", "Spot", "Low Priority", "Cloud Services", "Dedicated")
"""What is in the names of other ways to pay for the same size."""


async def of(record: AzureRecord, now: int) -> tuple[Quote, ...]:
    """What the configured sizes and the kind of disk cost in every configured region.

    Raises:
        ProviderUnavailable: as of `fetch`; or the cloud is not the public one, whose list this is.
    """
    url = record.price_list_url
    if record.endpoint_url and not url:
        raise ProviderUnavailable("Azure's price list is asked only beside Azure's own address")
    return await fetch(record.regions, record.sizes, now, url or URL, disks=[record.disk_type])


async def fetch(
    regions: Collection[str],
    sizes: Collection[str],
    now: int,
    url: str = URL,
    *,
    disks: Collection[str] = (),
) -> tuple[Quote, ...]:
    """What the sizes and kinds of disks cost in the regions now, pay as you go, Linux.

    What is not listed is left out.

    Raises:
        ProviderUnavailable: it does not answer, or not with prices.
    """
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    found: list[Quote] = []
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session:
            for region in regions:
                for size in sizes:
                    of = {"armSkuName": size, "serviceName": "Virtual Machines"}
                    items = await _items(session, url, _question(region, of))
                    found += read(size, region, items, now)
                for kind in disks:
                    of = {"productName": _DISKS[kind], "serviceName": "Storage"}
                    items = await _items(session, url, _question(region, of))
                    found += read_disks(kind, region, items, now)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise ProviderUnavailable(f"{SOURCE}: {error!r}") from error
    return tuple(found)


def read(size: str, region: str, items: Iterable[Any], now: int) -> Iterator[Quote]:
    """The price of one size from the items that match; nothing when there are none.

    Raises:
        ProviderUnavailable: an item is not what the API promises, or they contradict each other.
    """
    with _strictly(size):
        prices = {_price(one, "1 Hour") for one in items if _is_plain(one)}
    if len(prices) > 1:
        raise ProviderUnavailable(f"{SOURCE}: {size} has {len(prices)} prices in {region}")
    thing = Thing("azure", region, size, Component.COMPUTE)
    for amount, currency in prices:
        yield Quote(thing, catalog.rate_of(thing, amount), currency, SOURCE, now)


def read_disks(kind: str, region: str, items: Iterable[Any], now: int) -> Iterator[Quote]:
    """The price of a GiB and month of one kind of disk; nothing when no tier of it is listed.

    Raises:
        ProviderUnavailable: as of `read`.
    """
    dearest: dict[str, Decimal] = {}
    with _strictly(kind):
        for item in items:
            found = _TIER.fullmatch(item["skuName"])
            gib = TIERS.get(int(found[1])) if found else None
            if gib is None or gib > _MOST_GIB or item["meterName"] != f"{item['skuName']} Disk":
                continue  # operations, mounts, reservations of speed
            amount, currency = _price(item, "1/Month")
            each = (amount / gib).quantize(_MICRO, ROUND_UP)
            dearest[currency] = max(each, dearest.get(currency, each))
    if len(dearest) > 1:
        raise ProviderUnavailable(f"{SOURCE}: {kind} is priced in {sorted(dearest)} in {region}")
    for currency, each in dearest.items():
        for thing in catalog.things("azure", region, kind):
            yield Quote(thing, catalog.rate_of(thing, each), currency, SOURCE, now)


@contextlib.contextmanager
def _strictly(what: str) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
        message = f"{SOURCE}: what it says of {what} is no price: {error!r}"
        raise ProviderUnavailable(message) from error


def _question(region: str, of: Mapping[str, str]) -> dict[str, str]:
    terms = dict(sorted({"armRegionName": region, "priceType": "Consumption", **of}.items()))
    return {
        "api-version": _VERSION,
        "currencyCode": "'USD'",
        "$filter": " and ".join(f"{name} eq '{value}'" for name, value in terms.items()),
    }


async def _items(session: aiohttp.ClientSession, url: str, asked: Mapping[str, str]) -> list[Any]:
    """All pages of one question, from the host that was asked and no other."""
    found: list[Any] = []
    page, query = url, dict(asked)
    for _ in range(_PAGES):
        async with session.get(page, params=query, allow_redirects=False) as answer:
            answer.raise_for_status()
            body = await answer.content.read(_BYTES)
            if answer.status != 200 or not answer.content.at_eof():
                raise ValueError(f"status {answer.status}, more than {len(body)} bytes")
        said = json.loads(body)
        if not isinstance(said, dict) or not isinstance(said.get("Items"), list):
            raise ValueError("no list of items")  # noqa: TRY004 - what was said, not what we did
        found += said["Items"]
        page, query = said.get("NextPageLink") or "", {}
        if not page:
            return found
        if urlsplit(str(page))[:2] != urlsplit(url)[:2]:
            raise ValueError("its next page is somewhere else")
    raise ValueError(f"more than {_PAGES} pages")


def _is_plain(item: Mapping[str, Any]) -> bool:
    names = (item["productName"], item["skuName"], item["meterName"])
    return not any(word in name for word in _ANOTHER for name in names)


def _price(item: Mapping[str, Any], unit: str) -> tuple[Decimal, str]:
    amount = Decimal(repr(item["retailPrice"]))
    if item["unitOfMeasure"] != unit or isinstance(item["retailPrice"], bool):
        raise ValueError(f"the unit {item['unitOfMeasure']!r}")
    if not amount.is_finite() or amount < 0 or amount.adjusted() > _DIGITS:
        raise ValueError(f"the amount {amount}")
    return amount, str(item["currencyCode"])

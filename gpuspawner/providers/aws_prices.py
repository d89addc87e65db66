"""The prices that AWS's Price List API gives, read strictly: what is not plainly a price is an error.

Facts: the AWS Billing user guide, "Using the AWS Price List Query API". On-demand Linux without
extra software, on shared hardware; `capacitystatus` sets aside what is only reserved.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from gpuspawner.errors import ProviderUnavailable
from gpuspawner.policy.billed import ADDRESS_SKU
from gpuspawner.policy.prices import Quote
from gpuspawner.providers import catalog
from gpuspawner.providers.aws_calls import Calls
from gpuspawner.settings.aws_record import AWSRecord

SOURCE = "AWS Price List API"

_PAGE = 100
_DIGITS = 12
_MACHINE = {
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "preInstalledSw": "NA",
    "capacitystatus": "Used",
}
_UNITS = {"Hrs": False, "GB-Mo": True}
"""The units that we know, and whether they are of a GiB and month."""


async def fetch(calls: Calls, record: AWSRecord, now: int) -> tuple[Quote, ...]:
    """What the configured sizes, the kind of disk and a public address cost in the region now.

    Raises:
        ProviderError: it does not answer, or not with prices.
    """
    asked = [(size, "AmazonEC2", {"instanceType": size, **_MACHINE}) for size in record.sizes]
    asked += [
        (kind, "AmazonEC2", {"volumeApiName": kind}) for kind in sorted(catalog.disk_types("aws"))
    ]
    asked.append((ADDRESS_SKU, "AmazonVPC", {"group": "VPCPublicIPv4Address"}))
    found: list[Quote] = []
    for name, service, filters in asked:
        terms = {"regionCode": record.region, **filters}
        products = await calls.all_of(
            "GetProducts", "PriceList", page=_PAGE, ServiceCode=service,
            Filters=[
                {"Type": "TERM_MATCH", "Field": key, "Value": value}
                for key, value in terms.items()
            ],
        )  # fmt: skip
        found += read(name, record.region, products, now)
    return tuple(found)


def read(name: str, region: str, products: Iterable[str], now: int) -> Iterator[Quote]:
    """The price of one thing from the products that match; nothing when there are none.

    Raises:
        ProviderUnavailable: a product is not what the API promises, or they contradict each other.
    """
    things = catalog.things("aws", region, name)
    monthly = catalog.rate_of(things[0], Decimal(1)).monthly
    prices = {price for text in products for price in _prices(text, name, monthly)}
    if len(prices) > 1:
        raise ProviderUnavailable(f"{SOURCE}: {name} has {len(prices)} prices in {region}")
    for amount, currency in prices:
        for thing in things:
            yield Quote(thing, catalog.rate_of(thing, amount), currency, SOURCE, now)


def _prices(text: str, name: str, monthly: bool) -> Iterator[tuple[Decimal, str]]:
    """Amount and currency of the product; none of a free or idle variant that is not a use."""
    try:
        product: Mapping[str, Any] = json.loads(text)
        usage = str(product["product"]["attributes"].get("usagetype", ""))
        if name == ADDRESS_SKU and "InUseAddress" not in usage:
            return
        for term in product["terms"]["OnDemand"].values():
            for dimension in term["priceDimensions"].values():
                yield _price(dimension, monthly)
    except (ValueError, KeyError, TypeError, AttributeError, InvalidOperation) as error:
        raise ProviderUnavailable(
            f"{SOURCE}: what it says of {name} is no price: {error!r}"
        ) from error


def _price(dimension: Mapping[str, Any], monthly: bool) -> tuple[Decimal, str]:
    if _UNITS[dimension["unit"]] is not monthly:
        raise ValueError(f"the unit {dimension['unit']}")
    ((currency, amount),) = dimension["pricePerUnit"].items()
    return _amount(amount), str(currency)


def _amount(text: Any) -> Decimal:
    amount = Decimal(text if isinstance(text, str) else repr(text))
    if not amount.is_finite() or amount < 0 or amount.adjusted() > _DIGITS:
        raise ValueError(f"the amount {text!r}")
    return amount

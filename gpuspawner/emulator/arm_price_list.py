"""Azure's Retail Prices API, as far as sizes and managed disks go.

One flat list, without a credential, of which a filter shows a part (learn.microsoft.com, "Azure Retail
Prices REST API").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

from gpuspawner.emulator.bill import Prices

PATH = "/api/retail/prices"

_TERM = re.compile(r"(\w+) eq '([^']*)'")
_MICROS = 1_000_000
_TIERS = {4: 32, 6: 64, 10: 128, 15: 256, 20: 512, 30: 1024}
"""Some of the tiers: number to GiB."""

_DISKS = {
    "StandardSSD_LRS": ("Standard SSD Managed Disks", "E"),
    "Premium_LRS": ("Premium SSD Managed Disks", "P"),
}


def answer(query: str, prices: Prices) -> dict[str, Any]:
    """What passes the filter of a query, on one page."""
    asked = parse_qs(query)
    terms = dict(_TERM.findall(asked.get("$filter", [""])[0]))
    region = terms.pop("armRegionName", "eastus")
    found = [
        {**one, "armRegionName": region, "currencyCode": prices.currency}
        for one in _items(prices)
        if all(one.get(name) == value for name, value in terms.items())
    ]
    return {
        "BillingCurrency": prices.currency,
        "Items": found,
        "NextPageLink": None,
        "Count": len(found),
    }


def _items(prices: Prices) -> Iterator[dict[str, Any]]:
    for size, micros in prices.machines.items():
        name = size.removeprefix("Standard_").replace("_", " ")
        product = f"Virtual Machines {name} Series"
        yield {
            **_item("Virtual Machines", product, name, name, "1 Hour", micros),
            "armSkuName": size,
        }
    for kind, (product, letter) in _DISKS.items():
        for number, gib in _TIERS.items():
            name, micros = f"{letter}{number} LRS", gib * prices.disks[kind]
            yield _item("Storage", product, name, f"{name} Disk", "1/Month", micros)


def _item(
    service: str, product: str, sku: str, meter: str, unit: str, micros: int
) -> dict[str, Any]:
    return {
        "serviceName": service,
        "productName": product,
        "skuName": sku,
        "meterName": meter,
        "priceType": "Consumption",
        "type": "Consumption",
        "unitOfMeasure": unit,
        "retailPrice": micros / _MICROS,
        "unitPrice": micros / _MICROS,
    }

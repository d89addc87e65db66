"""Azure's Retail Prices API, served here, and in every broken form."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from gpuspawner.errors import ProviderUnavailable
from gpuspawner.policy.money import Component, Rate
from gpuspawner.providers import azure_prices
from gpuspawner.providers.azure_tiers import billed_gib

SIZE = "Standard_NC4as_T4_v3"


def item(price: Any = 0.526, **changes: Any) -> dict[str, Any]:
    return {
        "currencyCode": "USD",
        "retailPrice": price,
        "unitOfMeasure": "1 Hour",
        "productName": "Virtual Machines NCasT4_v3 Series",
        "skuName": "NC4as T4 v3",
        "meterName": "NC4as T4 v3",
    } | changes


def prices(*items: Any) -> list[tuple[int, int, str]]:
    found = azure_prices.read(SIZE, "eastus", items, 7)
    return [(one.rate.num, one.rate.minimum, one.currency) for one in found]


@asynccontextmanager
async def serving(answer):
    app = web.Application()
    app.router.add_get("/prices", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = site._server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/prices"
    finally:
        await runner.cleanup()


async def test_all_pages_are_read_and_what_was_asked_is_what_the_documentation_says():
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(dict(request.query))
        if "page" in request.query:
            return web.json_response({"Items": [item()], "NextPageLink": None})
        windows = item(0.9, productName="Virtual Machines NCasT4_v3 Series Windows")
        following = str(request.url.with_query({"page": "2"}))
        return web.json_response({"Items": [windows], "NextPageLink": following})

    async with serving(answer) as url:
        (found,) = await azure_prices.fetch(["eastus"], [SIZE], 7, url)
    assert (found.thing.sku, found.rate.num, found.as_of) == (SIZE, 526_000, 7)
    assert asked == [
        {
            "api-version": "2023-01-01-preview",
            "currencyCode": "'USD'",
            "$filter": (
                f"armRegionName eq 'eastus' and armSkuName eq '{SIZE}' "
                "and priceType eq 'Consumption' and serviceName eq 'Virtual Machines'"
            ),
        },
        {"page": "2"},
    ]


async def test_disks_are_asked_for_by_their_product_and_cost_by_the_gib_of_the_dearest_tier():
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.query["$filter"])
        tiers = [tier("P4", 5.28), tier("P10", 19.71), tier("P80", 99_999)]
        return web.json_response({"Items": tiers, "NextPageLink": None})

    async with serving(answer) as url:
        found = await azure_prices.fetch(["eastus"], [], 7, url, disks=["Premium_LRS"])
    (filter_,) = asked
    assert filter_ == (
        "armRegionName eq 'eastus' and priceType eq 'Consumption' "
        "and productName eq 'Premium SSD Managed Disks' and serviceName eq 'Storage'"
    )
    assert [(one.thing.sku, one.thing.component, one.rate) for one in found] == [
        ("Premium_LRS", kind, Rate(165_000, 1, 0, monthly=True))
        for kind in (Component.DISK, Component.HOME)
    ]


def tier(name: str, price: Any, **changes: Any) -> dict[str, Any]:
    names = {"skuName": f"{name} LRS", "meterName": f"{name} LRS Disk"}
    product = "Premium SSD Managed Disks" if name[0] == "P" else "Standard SSD Managed Disks"
    return item(price, unitOfMeasure="1/Month", productName=product, **names) | changes


def disks(*items: Any) -> list[int]:
    return [one.rate.num for one in azure_prices.read_disks("StandardSSD_LRS", "eastus", items, 7)]


def test_a_gib_of_a_standard_ssd_costs_the_same_in_every_tier():
    assert disks(tier("E1", 0.3), tier("E6", 4.8), tier("E30", 76.8)) == [75_000] * 2


def test_what_disks_do_beside_being_there_is_not_their_price():
    operations = tier("E10", 0.002, meterName="E10 LRS Disk Operations", unitOfMeasure="10K")
    mount = tier("E10", 0.3, meterName="E10 LRS Disk Mount")
    twofold = tier("E10", 14.4, skuName="E10 ZRS", meterName="E10 ZRS Disk")
    assert disks(operations, mount, twofold) == []
    assert disks(operations, tier("E10", 9.6), mount, twofold) == [75_000] * 2


@pytest.mark.parametrize(
    "one",
    [
        None, "free", tier("E10", None), tier("E10", -1), tier("E10", 9.6, unitOfMeasure="1 Hour"),
        tier("E10", 9.6, currencyCode="KRW"), tier("E10", 9.6, skuName=None),
    ],
)  # fmt: skip
def test_what_is_no_price_of_a_disk_is_an_error(one):
    with pytest.raises(ProviderUnavailable):
        disks(tier("E6", 4.8), one)


@pytest.mark.parametrize(
    ("gib", "billed"),
    [(1, 4), (4, 4), (20, 32), (60, 64), (128, 128), (129, 256), (40_000, 40_000)],
)
def test_a_disk_is_billed_as_the_tier_that_it_fits_into(gib, billed):
    assert billed_gib(gib) == billed


ANSWERS = {
    "an error": lambda request: web.Response(status=500),
    "a page of words": lambda request: web.Response(text="<html>"),
    "a list": lambda request: web.json_response([]),
    "no items": lambda request: web.json_response({"Items": None}),
    "somewhere else": lambda request: web.Response(status=302, headers={"Location": "/x"}),
    "pages elsewhere": lambda request: web.json_response(
        {"Items": [], "NextPageLink": "http://169.254.169.254/"}
    ),
    "pages without end": lambda request: web.json_response(
        {"Items": [], "NextPageLink": str(request.url)}
    ),
}


@pytest.mark.parametrize("reply", ANSWERS.values(), ids=ANSWERS.keys())
async def test_what_is_no_price_list_is_an_error(reply):
    async def answer(request: web.Request) -> web.Response:
        return reply(request)

    async with serving(answer) as url:
        with pytest.raises(ProviderUnavailable):
            await azure_prices.fetch(["eastus"], [SIZE], 7, url)


async def test_nobody_there_is_an_error():
    with pytest.raises(ProviderUnavailable):
        await azure_prices.fetch(["eastus"], [SIZE], 7, "http://127.0.0.1:1/prices")


def test_other_ways_to_pay_are_not_the_price_and_the_same_twice_is_one():
    assert prices(item(), item(), item(0.1, skuName="NC4as T4 v3 Spot")) == [(526_000, 300, "USD")]
    assert prices(item(0.1, meterName="NC4as T4 v3 Low Priority")) == []


BROKEN = {
    "nothing": None,
    "a word": item("free"),
    "no amount": item(None),
    "not a number": item(float("nan")),
    "below nothing": item(-1),
    "true": item(True),
    "by the month": item(unitOfMeasure="1/Month"),
    "no currency": {key: value for key, value in item().items() if key != "currencyCode"},
    "no name": item(productName=None),
}


@pytest.mark.parametrize("one", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_price_is_an_error_and_not_a_price(one):
    with pytest.raises(ProviderUnavailable):
        prices(item(), one)


def test_two_prices_of_one_size_are_none():
    with pytest.raises(ProviderUnavailable, match="2 prices"):
        prices(item(), item(0.6))

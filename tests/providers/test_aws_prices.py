"""The Price List API, emulated and in every broken form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gpuspawner.errors import ProviderError, ProviderUnavailable
from gpuspawner.policy.billed import ADDRESS_SKU
from gpuspawner.policy.money import Component, Rate
from gpuspawner.providers import aws_prices
from tests.providers.aws_cloud import NOON

SIZE, REGION, NOW = "g4dn.xlarge", "us-east-1", int(NOON)
MONTH = Rate(80_000, 1, 60, monthly=True)


@pytest.mark.emulator
async def test_every_size_disk_and_address_of_the_configuration_has_its_price_of_today(cloud):
    found = await cloud.provider().fetch_prices()
    assert {(one.thing.sku, one.thing.component): one.rate for one in found} == {
        ("g4dn.xlarge", Component.COMPUTE): Rate(526_000, 3600, 60),
        ("g6.xlarge", Component.COMPUTE): Rate(805_000, 3600, 60),
        ("g6f.large", Component.COMPUTE): Rate(202_000, 3600, 60),
        ("gp3", Component.DISK): MONTH,
        ("gp3", Component.HOME): MONTH,
        ("gp2", Component.DISK): Rate(100_000, 1, 60, monthly=True),
        ("gp2", Component.HOME): Rate(100_000, 1, 60, monthly=True),
        (ADDRESS_SKU, Component.ADDRESS): Rate(5_000, 3600, 60),
    }
    assert {(one.currency, one.source, one.as_of) for one in found} == {
        ("USD", "AWS Price List API", NOW)
    }


@pytest.mark.emulator
async def test_a_price_that_the_cloud_changes_is_seen_and_a_size_it_does_not_know_is_left_out(
    cloud,
):
    await cloud.post("prices", {"machines": {SIZE: 600_000}})
    found = await cloud.provider(sizes=(SIZE, "x9.huge")).fetch_prices()
    machines = {
        one.thing.sku: one.rate.num for one in found if one.thing.component is Component.COMPUTE
    }
    assert machines == {SIZE: 600_000}


@pytest.mark.emulator
@pytest.mark.parametrize("code", ["AccessDeniedException", "InternalErrorException"])
async def test_a_refusal_is_one_of_our_errors(cloud, code):
    await cloud.fault(action="GetProducts", code=code, status=400)
    with pytest.raises(ProviderError):
        await cloud.provider().fetch_prices()


def product(amount: Any = "0.5260000000", unit: Any = "Hrs", **more: Any) -> str:
    dimension = {"unit": unit, "pricePerUnit": {"USD": amount}} | more
    term = {"priceDimensions": {"a": dimension}}
    attributes = {"usagetype": "BoxUsage:g4dn.xlarge"}
    return json.dumps({"product": {"attributes": attributes}, "terms": {"OnDemand": {"t": term}}})


def read(*products: str, name: str = SIZE) -> list[tuple[int, str]]:
    found = aws_prices.read(name, REGION, products, NOW)
    return [(one.rate.num, one.currency) for one in found]


def test_the_same_price_twice_is_one_and_none_is_none():
    assert read(product(), product("0.526")) == [(526_000, "USD")]
    assert read() == []


def test_what_it_says_plainly_is_handed_on_for_the_rule_to_judge():
    assert read(product(0)) == [(0, "USD")]
    assert read(product(pricePerUnit={"CNY": "4.1"})) == [(4_100_000, "CNY")]


def test_an_address_costs_what_one_in_use_does():
    def address(usage: str, amount: str) -> str:
        made = json.loads(product(amount))
        made["product"]["attributes"]["usagetype"] = usage
        return json.dumps(made)

    idle = address("PublicIPv4:IdleAddress", "0.006")
    assert read(idle, address("PublicIPv4:InUseAddress", "0.005"), name=ADDRESS_SKU) == [
        (5_000, "USD")
    ]


BROKEN = {
    "no JSON": "<html>",
    "another JSON": "[]",
    "nothing": "null",
    "no terms": '{"product": {"attributes": {}}}',
    "terms that are none": '{"product": {"attributes": {}}, "terms": {"OnDemand": []}}',
    "a word for a number": product("free"),
    "not a number": product("NaN"),
    "without end": product("Infinity"),
    "below nothing": product("-0.5"),
    "absurd": product("1e99"),
    "no amount": product(None),
    "an amount that is a list": product([1]),
    "by the month": product("0.5", unit="GB-Mo"),
    "by the quantity": product("0.5", unit="Quantity"),
    "two currencies": product(pricePerUnit={"USD": "1", "CNY": "7"}),
    "no currency": product(pricePerUnit={}),
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_price_is_an_error_and_not_a_price(text):
    with pytest.raises(ProviderUnavailable):
        read(text)
    with pytest.raises(ProviderUnavailable):
        read(product(), text)


def test_two_prices_of_one_thing_are_none():
    with pytest.raises(ProviderUnavailable, match="2 prices"):
        read(product("0.526"), product("0.6"))

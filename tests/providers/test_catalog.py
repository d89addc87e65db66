"""What things cost when nobody has said otherwise, and what nobody knows the price of."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from gpuspawner.errors import ConfigurationError
from gpuspawner.policy.money import Component, Rate, moment_of
from gpuspawner.policy.prices import Thing
from gpuspawner.providers import catalog
from gpuspawner.settings import Prices
from gpuspawner.settings.aws_record import AWSRecord

HERE = ("aws", "us-east-1")


def rates(provider: str, region: str) -> dict[tuple[str, Component], Rate]:
    return {
        (one.thing.sku, one.thing.component): one.rate for one in catalog.quotes(provider, region)
    }


def test_a_machine_is_priced_by_the_hour_and_a_disk_by_the_month():
    found = rates(*HERE)
    assert found["g4dn.xlarge", Component.COMPUTE] == Rate(526_000, 3600, 60)
    assert found["gp3", Component.DISK] == Rate(80_000, 1, 60, monthly=True)
    assert found["gp3", Component.HOME] == found["gp3", Component.DISK]
    assert found["public-ipv4", Component.ADDRESS] == Rate(5_000, 3600, 60)


def test_azure_has_a_minimum_of_five_minutes_that_is_marked_as_hearsay():
    found = rates("azure", "eastus")
    assert found["Standard_NC24ads_A100_v4", Component.COMPUTE] == Rate(3_673_000, 3600, 300)
    assert {"minimum_seconds", "Standard_NC4as_T4_v3"} <= catalog.unverified("azure")
    assert "Standard_NC24ads_A100_v4" not in catalog.unverified("azure")


def test_azure_has_disks_and_an_address_that_are_marked_as_hearsay():
    found = rates("azure", "eastus")
    assert found["StandardSSD_LRS", Component.HOME] == Rate(75_000, 1, 0, monthly=True)
    assert found["public-ipv4", Component.ADDRESS] == Rate(5_000, 3600, 0)
    assert {"StandardSSD_LRS", "Premium_LRS", "public-ipv4"} <= catalog.unverified("azure")


@pytest.mark.parametrize("where", [HERE, ("azure", "eastus")])
def test_every_shipped_price_says_where_it_is_from_and_of_what_day(where):
    for one in catalog.quotes(*where):
        assert (one.currency, one.by_admin, len(one.source) > 10) == ("USD", False, True), one
        assert date(2024, 1, 1) <= moment_of(one.as_of).date() <= date(2030, 1, 1), one
        assert one.rate.num > 0


@pytest.mark.parametrize("where", [("aws", "ap-northeast-2"), ("fake", "fake-1")])
def test_elsewhere_nothing_has_a_price(where):
    assert catalog.quotes(*where) == ()
    assert catalog.machines(*where) == {}


def test_a_size_that_nobody_has_priced_has_no_price():
    assert "x9.huge" not in catalog.machines(*HERE)
    assert "g4dn.xlarge" in catalog.machines(*HERE)


def test_a_name_means_a_disk_an_address_or_a_size():
    def kinds(name: str) -> list[Component]:
        return [one.component for one in catalog.things("aws", "x", name)]

    assert kinds("gp3") == [Component.DISK, Component.HOME]
    assert kinds("public-ipv4") == [Component.ADDRESS]
    assert kinds("g99.large") == [Component.COMPUTE]


def test_the_admins_amount_has_the_minimum_of_the_cloud():
    thing = Thing("aws", "x", "g4dn.xlarge", Component.COMPUTE)
    assert catalog.rate_of(thing, Decimal("0.647")) == Rate(647_000, 3600, 60)


@pytest.mark.parametrize(("amount", "micros"), [(0.1, 100_000), (0.2375, 237_500), (3, 3_000_000)])
def test_amounts_are_taken_as_they_are_written(amount, micros):
    assert catalog.to_micros(amount) == micros


def record(**changes):
    return AWSRecord(
        **{"region": "us-east-1", "image": "ami-1", "sizes": ("g4dn.xlarge",), **changes}
    )


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"region": ""}, "AWS.region"),
        ({"image": ""}, "AWS.image"),
        ({"sizes": ()}, "AWS.sizes"),
        ({"tags": {"gpuspawner:hub": "x"}}, "gpuspawner:hub"),
        ({"tags": {"aws:x": "x"}}, "aws:x"),
        ({"tags": {"Name": "x"}}, "Name"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused_by_name(changes, named):
    with pytest.raises(ConfigurationError, match=named):
        record(**changes)


def test_settings_that_can_be_meant_are_taken():
    assert record(tags={"course": "ml"}).tags == {"course": "ml"}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"cost": {"g4dn.xlarge": 0}}, "c.Prices.cost: g4dn.xlarge"),
        ({"cost": {"g4dn.xlarge": float("nan")}}, "c.Prices.cost: g4dn.xlarge"),
        ({"charge": {"g4dn.xlarge": -1}}, "c.Prices.charge: g4dn.xlarge"),
        ({"charge": {"g4dn.xlarge": float("inf")}}, "c.Prices.charge: g4dn.xlarge"),
        ({"unit": " "}, "c.Prices.unit"),
        ({"refresh_interval": 5}, "c.Prices.refresh_interval"),
    ],
)
def test_a_price_that_cannot_be_meant_is_refused_by_name(changes, named):
    with pytest.raises(ConfigurationError, match=named):
        Prices(**changes).record()


def test_a_price_that_can_be_meant_is_taken_and_never_asking_is_no_interval():
    made = Prices(charge={"g4dn.xlarge": 0}, refresh_interval=0).record()
    assert (made.charge, made.refresh_interval) == ({"g4dn.xlarge": 0}, None)

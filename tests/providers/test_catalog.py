"""What things cost, and what nobody knows the price of."""

from __future__ import annotations

import pytest

from gpuspawner.errors import ConfigurationError
from gpuspawner.providers.catalog import AWS, price_micros, to_micros
from gpuspawner.settings.aws_record import AWSRecord


def test_a_price_is_in_micros_an_hour():
    assert price_micros(AWS, "us-east-1", "g4dn.xlarge", {}) == 526_000


def test_the_admins_price_comes_first():
    assert price_micros(AWS, "us-east-1", "g4dn.xlarge", {"g4dn.xlarge": 0.4}) == 400_000


def test_the_tables_price_does_not_hold_in_another_region():
    assert price_micros(AWS, "ap-northeast-2", "g4dn.xlarge", {}) is None
    assert price_micros(AWS, "ap-northeast-2", "g4dn.xlarge", {"g4dn.xlarge": 0.647}) == 647_000


def test_a_size_that_nobody_has_priced_has_no_price():
    assert price_micros(AWS, "us-east-1", "x9.huge", {}) is None


@pytest.mark.parametrize(("amount", "micros"), [(0.1, 100_000), (0.2375, 237_500), (3, 3_000_000)])
def test_amounts_are_taken_as_they_are_written(amount, micros):
    assert to_micros(amount) == micros


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
        ({"prices": {"g4dn.xlarge": 0}}, "g4dn.xlarge"),
        ({"prices": {"g4dn.xlarge": float("nan")}}, "g4dn.xlarge"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused_by_name(changes, named):
    with pytest.raises(ConfigurationError, match=named):
        record(**changes)


def test_settings_that_can_be_meant_are_taken():
    assert record(tags={"course": "ml"}, prices={"g4dn.xlarge": 0.5}).prices == {"g4dn.xlarge": 0.5}

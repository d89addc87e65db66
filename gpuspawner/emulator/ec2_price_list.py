"""AWS's Price List API, as far as machines, disks and addresses go.

Each product is a JSON text of its own, inside the JSON of the answer, with its price some levels
down and as a decimal text (AWS Billing user guide, "Using the AWS Price List Query API").
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from gpuspawner.emulator.ec2_world import World

_PAGE = 100
_MICROS = 1_000_000


def products(asked: Mapping[str, Any], world: World) -> dict[str, Any]:
    """One page of what passes all filters; its token is the number of the next one."""
    filters = {one["Field"]: one["Value"] for one in asked.get("Filters", ())}
    found = [
        text
        for attributes, text in _all(world)
        if attributes["servicecode"] == asked["ServiceCode"]
        and all(attributes.get(field) == value for field, value in filters.items())
    ]
    size = min(int(asked.get("MaxResults") or _PAGE), _PAGE)
    at = int(asked.get("NextToken") or 0)
    page: dict[str, Any] = {"FormatVersion": "aws_v1", "PriceList": found[at : at + size]}
    if at + size < len(found):
        page["NextToken"] = str(at + size)
    return page


def _all(world: World) -> Iterator[tuple[Mapping[str, str], str]]:
    prices, region = world.bill.prices, world.region
    for size, micros in sorted(prices.machines.items()):
        attributes = {
            "servicecode": "AmazonEC2", "regionCode": region, "instanceType": size,
            "operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA",
            "capacitystatus": "Used", "operation": "RunInstances",
        }  # fmt: skip
        yield attributes, _text(f"CMP{size}", "Compute Instance", attributes, "Hrs", micros)
    for kind, micros in sorted(prices.disks.items()):
        attributes = {
            "servicecode": "AmazonEC2", "regionCode": region, "volumeApiName": kind,
            "usagetype": f"EBS:VolumeUsage.{kind}",
        }  # fmt: skip
        yield attributes, _text(f"EBS{kind}", "Storage", attributes, "GB-Mo", micros)
    attributes = {
        "servicecode": "AmazonVPC", "regionCode": region, "group": "VPCPublicIPv4Address",
        "usagetype": "PublicIPv4:InUseAddress",
    }  # fmt: skip
    yield attributes, _text("VPCIP", "VpcAddress", attributes, "Hrs", prices.address)


def _text(sku: str, family: str, attributes: Mapping[str, str], unit: str, micros: int) -> str:
    dimension = {
        "unit": unit,
        "beginRange": "0",
        "endRange": "Inf",
        "pricePerUnit": {"USD": f"{micros / _MICROS:.10f}"},
    }
    term = {
        "priceDimensions": {f"{sku}.TERM.RATE": dimension},
        "offerTermCode": "TERM",
        "sku": sku,
    }
    product = {"productFamily": family, "attributes": dict(attributes), "sku": sku}
    return json.dumps(
        {
            "product": product,
            "serviceCode": attributes["servicecode"],
            "terms": {"OnDemand": {f"{sku}.TERM": term}},
        }
    )

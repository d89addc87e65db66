"""What things cost when nobody has said otherwise: dated tables, so that charging never waits.

A cloud's price service can be down, slow or forbidden; a ledger cannot. A size that is in no table
and that the admin has not priced is not offered at all: what cannot be charged is not started.
Prices are millionths of the currency's unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

MICROS = 1_000_000


@dataclass(frozen=True, slots=True)
class PriceList:
    """The prices of one cloud in one region: per hour for machines, per GiB and month for disks."""

    region: str
    as_of: str
    source: str
    machines: Mapping[str, int]
    disks: Mapping[str, int]
    address: int
    currency: str = "USD"


AWS = PriceList(
    region="us-east-1",
    as_of="2026-07-20",
    source="on-demand Linux, from Karpenter's generated table zz_generated.pricing_aws.go; "
    "disks and addresses from AWS's price pages",
    machines={
        "g6f.large": 202_000,
        "g6f.xlarge": 237_500,
        "g6f.2xlarge": 475_000,
        "g4dn.xlarge": 526_000,
        "g4dn.2xlarge": 752_000,
        "g6.xlarge": 805_000,
        "g5.xlarge": 1_006_000,
        "g6e.xlarge": 1_861_000,
        "g7.2xlarge": 2_520_000,
        "p3.2xlarge": 3_060_000,
        "g7e.2xlarge": 3_363_000,
        "p5.4xlarge": 6_880_000,
    },
    disks={"gp3": 80_000},
    address=5_000,
)
"""On-demand Linux in US East (N. Virginia). Other regions cost up to half as much again."""


def price_micros(prices: PriceList, region: str, size: str, own: Mapping[str, float]) -> int | None:
    """What `size` costs for an hour in `region`, in micros; None when nobody knows.

    `own` are the admin's prices in the currency's unit per hour; they come first.
    """
    if size in own:
        return to_micros(own[size])
    return prices.machines.get(size) if region == prices.region else None


def to_micros(amount: float) -> int:
    """An amount as it was written, in micros: 0.526 is 526000, whatever binary makes of it."""
    return int((Decimal(repr(amount)) * MICROS).to_integral_value())

"""What Azure charges, for the emulator's own bill. Never read by the ledger, so that the two can disagree.

Linux, pay as you go, East US, in millionths of a US dollar. A100 and H100: the data set
datareceipts/data-receipts, 2026-11-09. T4, A10 and disks are remembered, not looked up: pretend
money, of the right size. A managed disk is billed by the tier that it fits into.
"""

from __future__ import annotations

from gpuspawner.emulator.bill import Prices

MACHINES: dict[str, int] = {
    "Standard_NV6ads_A10_v5": 454_000,
    "Standard_NC4as_T4_v3": 526_000,
    "Standard_NC8as_T4_v3": 752_000,
    "Standard_NC24ads_A100_v4": 3_673_000,
    "Standard_NC40ads_H100_v5": 6_980_000,
    "Standard_D2s_v5": 96_000,
}
"""Size: micros an hour."""

DISKS: dict[str, int] = {"StandardSSD_LRS": 75_000, "Premium_LRS": 135_000, "Standard_LRS": 45_000}
"""Disk type: micros per GiB of the tier and calendar month: a day of a month of 31 costs 1/31, as in
usage records (remembered, like the least that is billed of each start of a machine)."""

CALENDAR_MONTHS = 0
MINIMUM_SECONDS = {"machine": 300}

PRICES = Prices("2026-11-09", MACHINES, DISKS, 5_000, CALENDAR_MONTHS, MINIMUM_SECONDS)

_LEAST_TIER, _MOST_TIER = 4, 32768


def tier_gib(gib: int) -> int:
    """The size of the tier that a disk of `gib` is billed as: the next power of two."""
    tier = _LEAST_TIER
    while tier < gib and tier < _MOST_TIER:
        tier *= 2
    return tier

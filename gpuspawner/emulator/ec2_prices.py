"""What AWS charges, for the emulator's own bill. Never read by the ledger, so that the two can disagree.

US East (N. Virginia), Linux, on demand, in millionths of a US dollar. Machines: Karpenter's
generated table `zz_generated.pricing_aws.go`, 2026-07-20. Disks: the EBS price page's gp3 and gp2
rates; a month costs the same whether it has 28 days or 31 (aws.eu/ebs/pricing). Addresses: $0.005 an hour for every
public IPv4 address since 2024-02-01 (AWS networking blog).
"""

from __future__ import annotations

from gpuspawner.emulator.bill import Prices

AS_OF = "2026-07-20"
CURRENCY = "USD"

MACHINES: dict[str, int] = {
    "g6f.large": 202_000,
    "g6f.xlarge": 237_500,
    "g6f.2xlarge": 475_000,
    "g5g.xlarge": 420_000,
    "g4dn.xlarge": 526_000,
    "g4dn.2xlarge": 752_000,
    "g6.xlarge": 805_000,
    "g5.xlarge": 1_006_000,
    "g6e.xlarge": 1_861_000,
    "g7.2xlarge": 2_520_000,
    "p3.2xlarge": 3_060_000,
    "g7e.2xlarge": 3_363_000,
    "p5.4xlarge": 6_880_000,
    "t3.micro": 10_400,
}
"""Instance type: micros an hour."""

DISKS: dict[str, int] = {"gp3": 80_000, "gp2": 100_000}
"""Volume type: micros per GiB and calendar month."""

ADDRESS = 5_000
"""Micros an hour for one public IPv4 address."""

CALENDAR_MONTHS = 0
MINIMUM_SECONDS = dict.fromkeys(("machine", "disk", "address"), 60)
"""The least that is billed, of each start of a machine and of each disk."""

PRICES = Prices(AS_OF, MACHINES, DISKS, ADDRESS, CALENDAR_MONTHS, MINIMUM_SECONDS, CURRENCY)

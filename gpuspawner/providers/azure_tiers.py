"""What Azure bills a managed disk as: the tier that its size fits into, whole.

Facts: learn.microsoft.com, "Azure managed disk types", sizes of standard and premium SSDs; and
"Understand Azure Disk Storage billing": a size between two tiers is billed as the larger.
"""

from __future__ import annotations

TIERS = {
    1: 4, 2: 8, 3: 16, 4: 32, 6: 64, 10: 128, 15: 256, 20: 512, 30: 1024, 40: 2048, 50: 4096,
    60: 8192, 70: 16384, 80: 32767,
}  # fmt: skip
"""The GiB of each tier, by its number: that of E10 and P10 is 128."""


def billed_gib(gib: int) -> int:
    """How many GiB a disk of `gib` is billed as; above the largest tier, itself."""
    return next((tier for tier in TIERS.values() if gib <= tier), gib)

"""What can be offered: the configured sizes, in the regions and zones that have them, with their prices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpuspawner.model import Offering, Placement
from gpuspawner.providers import catalog
from gpuspawner.providers.azure_account import Account
from gpuspawner.providers.azure_requests import zone_name

CORES = "cores"
"""The quota of all families of a region together: Total Regional vCPUs."""

_GPUS: Mapping[str, tuple[str, int]] = {
    "T4": ("NVIDIA T4", 16_384),
    "A10": ("NVIDIA A10", 24_576),
    "A100": ("NVIDIA A100", 81_920),
    "H100": ("NVIDIA H100 NVL", 96_256),
}
"""The part of a size's name that says its GPU: what it is called, and its memory in MiB."""

_PARTS: Mapping[str, int] = {
    "Standard_NV6ads_A10_v5": 4_096,
    "Standard_NV12ads_A10_v5": 8_192,
    "Standard_NV18ads_A10_v5": 12_288,
}
"""Sizes with a part of a GPU: its memory in MiB (Microsoft, "NVadsA10_v5 size series")."""


async def find(account: Account) -> tuple[Offering, ...]:
    """All placements: regions in the order of the configuration, then sizes, then zones.

    What a region does not have, or this subscription may not use, is not among them; `check()`
    says so.
    """
    record, sizes = account.record, await account.all_sizes()
    return tuple(
        offering(sku, region, zone)
        for region in record.regions
        for size in record.sizes
        if (sku := sizes[region].get(size)) is not None
        for zone in zones(sku, region)
    )


def offering(sku: Mapping[str, Any], region: str, zone: str) -> Offering:
    """One size in one zone, from Azure's description of the size."""
    size, has = sku["name"], capabilities(sku)
    gpu, memory = gpu_of(size)
    gpus = int(float(has.get("GPUs", "0")))
    return Offering(
        placement=Placement(region, zone, size),
        vcpus=vcpus_of(sku),
        memory_mib=int(float(has["MemoryGB"]) * 1024),
        gpu=gpu if gpus else "",
        gpus=gpus,
        gpu_memory_mib=memory * gpus,
        price_micros=price_of(region, size),
    )


def zones(sku: Mapping[str, Any], region: str) -> list[str]:
    """The zones in which this subscription may have a size; the region itself where it has none.

    Empty when it may not have it at all.
    """
    numbers: list[str] = []
    for place in sku.get("locationInfo") or ():
        if place.get("location", "").lower() == region.lower():
            numbers = sorted(place.get("zones") or ())
    barred: set[str] = set()
    for one in sku.get("restrictions") or ():
        if one.get("type") == "Zone":
            barred |= set((one.get("restrictionInfo") or {}).get("zones") or ())
        else:
            return []
    if not numbers:
        return [zone_name(region, None)]
    return [zone_name(region, [number]) for number in numbers if number not in barred]


def price_of(region: str, size: str) -> int:
    """The shipped list's price in micros an hour; 0 when it has none. The price book has the last word."""
    quote = catalog.machines("azure", region).get(size)
    return quote.rate.per_hour() if quote else 0


def capabilities(sku: Mapping[str, Any]) -> dict[str, str]:
    """What a size is made of, by Azure's names."""
    return {one["name"]: one["value"] for one in sku.get("capabilities") or ()}


def vcpus_of(sku: Mapping[str, Any]) -> int:
    """The vCPUs that a size counts with against quotas."""
    has = capabilities(sku)
    return int(has.get("vCPUsAvailable") or has["vCPUs"])


def gpu_of(size: str) -> tuple[str, int]:
    """The name of a size's GPU and the memory of one, from the size's name: Azure says neither."""
    for part in size.split("_"):
        if part in _GPUS:
            name, memory = _GPUS[part]
            return name, _PARTS.get(size, memory)
    return "", 0

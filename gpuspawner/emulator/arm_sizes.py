"""The regions and sizes of the emulated Azure, as its resource SKUs tell of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ZONES: Mapping[str, tuple[str, ...]] = {
    "koreacentral": ("1", "2", "3"),
    "eastus": ("1", "2", "3"),
    "koreasouth": (),
}
"""Region to its zones; a region without any has regional machines only."""


@dataclass(frozen=True)
class Size:
    """One size of machine. `gpus` counts a part of a GPU as one, as Azure does."""

    name: str
    family: str
    label: str
    vcpus: int
    memory_gib: float
    gpus: int = 0
    gpu: str = ""
    regions: tuple[str, ...] = ("koreacentral", "eastus", "koreasouth")


SIZES: Mapping[str, Size] = {
    size.name: size
    for size in (
        Size("Standard_NC4as_T4_v3", "standardNCASv3_T4Family", "NCASv3_T4", 4, 28, 1, "T4"),
        Size("Standard_NC8as_T4_v3", "standardNCASv3_T4Family", "NCASv3_T4", 8, 56, 1, "T4"),
        Size("Standard_NV6ads_A10_v5", "StandardNVADSA10v5Family", "NVADSA10v5", 6, 55, 1, "A10"),
        Size(
            "Standard_NC24ads_A100_v4",
            "StandardNCADSA100v4Family",
            "NCADS_A100_v4",
            24,
            220,
            1,
            "A100",
            ("koreacentral", "eastus"),
        ),
        Size(
            "Standard_NC40ads_H100_v5",
            "standardNCadsH100v5Family",
            "NCadsH100v5",
            40,
            320,
            1,
            "H100",
            ("eastus",),
        ),
        Size("Standard_D2s_v5", "standardDSv5Family", "DSv5", 2, 8),
    )
}

FAMILIES = {size.family: f"Standard {size.label} Family vCPUs" for size in SIZES.values()}
"""Quota's name to what Azure shows for it."""

CORES = "cores"
"""The quota of all families of a region together: Total Regional vCPUs."""


def named(name: str) -> Size | None:
    """The size of that name, whatever its case."""
    return next((size for key, size in SIZES.items() if key.lower() == name.lower()), None)


def sku(size: Size, region: str) -> dict[str, Any]:
    """One entry of ResourceSkus_List."""
    capabilities = {
        "vCPUs": size.vcpus,
        "vCPUsAvailable": size.vcpus,
        "MemoryGB": f"{size.memory_gib:g}",
        "GPUs": size.gpus,
        "MaxDataDiskCount": 8,
        "HyperVGenerations": "V1,V2",
        "PremiumIO": "True",
        "CpuArchitectureType": "x64",
    }
    if not size.gpus:
        del capabilities["GPUs"]
    short = size.name.removeprefix("Standard_")
    return {
        "resourceType": "virtualMachines",
        "name": size.name,
        "tier": "Standard",
        "size": short,
        "family": size.family,
        "locations": [region],
        "locationInfo": [{"location": region, "zones": list(ZONES[region]), "zoneDetails": []}],
        "capabilities": [{"name": key, "value": str(value)} for key, value in capabilities.items()],
        "restrictions": [],
    }

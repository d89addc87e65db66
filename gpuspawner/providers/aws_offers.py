"""What can be offered: the configured sizes, in the zones that have them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gpuspawner.errors import InvalidSpec
from gpuspawner.model import Offering, Placement
from gpuspawner.providers import catalog
from gpuspawner.providers.aws_account import Account
from gpuspawner.settings.aws_record import AWSRecord

_TYPES_PAGE = 100

_QUOTAS = {
    "g": ("L-DB2E81BA", "Running On-Demand G and VT instances"),
    "vt": ("L-DB2E81BA", "Running On-Demand G and VT instances"),
    "p": ("L-417A185B", "Running On-Demand P instances"),
    **dict.fromkeys(
        ("a", "c", "d", "h", "i", "m", "r", "t", "z"),
        ("L-1216C47A", "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances"),
    ),
}
"""Family to the code and name of its quota, in vCPUs. A new account's is often 0 for GPUs."""


@dataclass(frozen=True, slots=True)
class Gpus:
    """The GPUs of a size. A part of one counts as one."""

    name: str
    count: int
    memory_mib: int


async def find(account: Account) -> tuple[Offering, ...]:
    """All placements: sizes in the order of the configuration, zones in that of the subnets.

    What a zone does not have is not among them; `check()` says so.
    """
    record = account.record
    types = {one["InstanceType"]: one for one in await _types(account)}
    zones_of = await _zones(account)
    zones = [subnet.zone for subnet in await account.subnets()]
    return tuple(
        offering(types[size], record, zone)
        for size in record.sizes
        if size in types
        for zone in zones
        if zone in zones_of.get(size, ())
    )


def offering(kind: Mapping[str, Any], record: AWSRecord, zone: str) -> Offering:
    """One size in one zone, from EC2's description of the type."""
    size, gpus = kind["InstanceType"], gpus_of(kind)
    return Offering(
        placement=Placement(record.region, zone, size),
        vcpus=kind["VCpuInfo"]["DefaultVCpus"],
        memory_mib=kind["MemoryInfo"]["SizeInMiB"],
        gpu=gpus.name,
        gpus=gpus.count,
        gpu_memory_mib=gpus.memory_mib,
        price_micros=price_of(record.region, size),
    )


def price_of(region: str, size: str) -> int:
    """The shipped list's price in micros an hour; 0 when it has none. The price book has the last word."""
    quote = catalog.machines("aws", region).get(size)
    return quote.rate.per_hour() if quote else 0


def gpus_of(kind: Mapping[str, Any]) -> Gpus:
    """The GPUs of a type.

    The sizes of g6f have a part of a GPU: their `Count` is 0, and `LogicalGpuCount` is 1.
    """
    info = kind.get("GpuInfo") or {}
    devices = info.get("Gpus") or []
    count = sum(one.get("Count") or one.get("LogicalGpuCount") or 0 for one in devices)
    total = info.get("TotalGpuMemoryInMiB") or sum(
        (one.get("MemoryInfo") or {}).get("SizeInMiB", 0) for one in devices
    )
    return Gpus(devices[0].get("Name", "") if devices else "", count, total)


def family(size: str) -> str:
    """The letters that a type's name begins with: `g` of `g4dn.xlarge`."""
    found = re.match(r"[a-z]+", size)
    return found.group() if found else ""


def quota_of(size: str) -> tuple[str, str]:
    """The code and the name of the quota that a size counts against.

    Raises:
        InvalidSpec: the family is not one that we know.
    """
    try:
        return _QUOTAS[family(size)]
    except KeyError:
        raise InvalidSpec(f"the quota of {size} is not known") from None


def knows_quota(size: str) -> bool:
    """Whether we know which quota a size counts against."""
    return family(size) in _QUOTAS


def counts_against(instance: Mapping[str, Any], code: str) -> bool:
    """Whether an instance counts against the quota `code`."""
    size = instance["InstanceType"]
    return knows_quota(size) and quota_of(size)[0] == code


async def _types(account: Account) -> list[Mapping[str, Any]]:
    # A filter and not `InstanceTypes`, for which one unknown name fails the whole call.
    filters = [{"Name": "instance-type", "Values": list(account.record.sizes)}]
    return await account.calls.all_of(
        "DescribeInstanceTypes", "InstanceTypes", page=_TYPES_PAGE, Filters=filters
    )


async def _zones(account: Account) -> Mapping[str, Iterable[str]]:
    filters = [{"Name": "instance-type", "Values": list(account.record.sizes)}]
    zones: dict[str, set[str]] = {}
    for one in await account.calls.all_of(
        "DescribeInstanceTypeOfferings",
        "InstanceTypeOfferings",
        LocationType="availability-zone",
        Filters=filters,
    ):
        zones.setdefault(one["InstanceType"], set()).add(one["Location"])
    return zones

"""The disks of an account in memory, as they are listed for what they cost."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from gpuspawner.model import Disk, DiskKind
from gpuspawner.testing.cloud import FakeCloud

DISK_TYPE = "ssd"
"""The one kind of disk there is."""

LEFT_GIB = 60
"""How large a disk that was left behind is."""


def listed(cloud: FakeCloud, hub_id: str, hidden: Collection[str] = ()) -> Iterator[Disk]:
    """Every disk of a hub's: those of its machines, its homes, and those left behind.

    The disk of a machine that is `hidden` is hidden with it.
    """
    for vm in cloud.vms.values():
        machine = vm.machine
        if vm.hub_id == hub_id and not vm.gone and machine.id not in hidden:
            yield Disk(
                f"{machine.id}-os", DiskKind.OS, DISK_TYPE, machine.placement.region,
                vm.request.disk_gib, machine.created_at, machine.claim, machine.owner_id, machine.id,
            )  # fmt: skip
    for home in (disk.home for disk in cloud.disks.values() if disk.hub_id == hub_id):
        if home.id not in hidden:
            yield Disk(
                home.id, DiskKind.HOME, DISK_TYPE, home.region, home.size_gib, home.created_at,
                home.claim, home.owner_id, home.machine_id,
            )  # fmt: skip
    for owner, left in cloud.fragments.values():
        if owner == hub_id and left.kind == "disk" and left.id not in hidden:
            yield Disk(
                left.id, DiskKind.OS, DISK_TYPE, cloud.offered[0].placement.region, LEFT_GIB,
                left.created_at, left.claim,
            )  # fmt: skip

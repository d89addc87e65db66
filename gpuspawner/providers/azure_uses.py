"""Every call we make to Azure, on one page.

`USED_CALLS` is what the role in `hub_config/azure/` has to allow; a test holds the role to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gpuspawner.providers.azure_limits import CREATE, READ, START, STOP


@dataclass(frozen=True, slots=True)
class Use:
    """A call we make.

    Args:
        method: the client's own, as `virtual_machines.begin_start`; or the rest of a path below the
            resource group (or, beginning with `/subscriptions`, of all) that is asked directly.
        permission: what a role has to allow.
        why: what it is for.
        kind: Resource Manager's bucket.
        policy: the compute service's bucket, None where it has none.
        urgency: see `azure_limits`.
    """

    method: str
    permission: str
    why: str
    kind: str = "reads"
    policy: str | None = None
    urgency: int = READ


_COMPUTE = "Microsoft.Compute/"
_VM = _COMPUTE + "virtualMachines/"

USED_CALLS: Mapping[str, Use] = {
    "CreateMachine": Use(
        "virtual_machines.begin_create_or_update",
        _VM + "write",
        "create a machine, with its disk and interface",
        "writes",
        "PutVM",
        CREATE,
    ),
    "UpdateMachine": Use(
        "virtual_machines.begin_update",
        _VM + "write",
        "resize a machine that is off",
        "writes",
        "UpdateVM",
        START,
    ),
    "StartMachine": Use(
        "virtual_machines.begin_start",
        _VM + "start/action",
        "start a machine",
        "writes",
        "UpdateVM",
        START,
    ),
    "DeallocateMachine": Use(
        "virtual_machines.begin_deallocate",
        _VM + "deallocate/action",
        "stop a machine so that it is no longer billed",
        "writes",
        "DeleteVM",
        STOP,
    ),
    "DeleteMachine": Use(
        "virtual_machines.begin_delete",
        _VM + "delete",
        "delete a machine, its disk and interface",
        "deletes",
        "DeleteVM",
        STOP,
    ),
    "AttachDisk": Use(
        # The SDK's own method takes the empty answer, which is Azure's usual one, for a fault.
        "Microsoft.Compute/virtualMachines/{}/attachDetachDataDisks?api-version=2024-07-01",
        _VM + "attachDetachDataDisks/action",
        "attach a home",
        "writes",
        "UpdateVM",
        CREATE,
    ),
    "GetMachine": Use(
        "virtual_machines.get",
        _VM + "read",
        "whether a machine is there",
        policy="LowCostGet",
    ),
    "ListMachines": Use(
        "virtual_machines.list", _VM + "read", "list the machines", policy="HighCostGet"
    ),
    "ListStatus": Use(
        "virtual_machines.list_all",
        _VM + "read",
        "what all machines are doing, in one list",
        policy="HighCostGet",
    ),
    "GetConsole": Use(
        "virtual_machines.retrieve_boot_diagnostics_data",
        _VM + "retrieveBootDiagnosticsData/action",
        "why a machine did not boot",
        "writes",
    ),
    "CreateDisk": Use(
        "disks.begin_create_or_update",
        _COMPUTE + "disks/write",
        "create a home; the disk of a machine",
        "writes",
        urgency=CREATE,
    ),
    "DeleteDisk": Use(
        "disks.begin_delete",
        _COMPUTE + "disks/delete",
        "delete a leftover disk; for an admin, a home",
        "deletes",
        urgency=STOP,
    ),
    "GetDisk": Use("disks.get", _COMPUTE + "disks/read", "whether a disk is there"),
    "ListDisks": Use(
        "disks.list_by_resource_group",
        _COMPUTE + "disks/read",
        "list the homes and leftover disks",
    ),
    "ListInterfaces": Use(
        "Microsoft.Network/networkInterfaces?api-version=2024-05-01",
        "Microsoft.Network/networkInterfaces/read",
        "the addresses of all machines, in one list",
    ),
    "DeleteInterface": Use(
        "Microsoft.Network/networkInterfaces/{}?api-version=2024-05-01",
        "Microsoft.Network/networkInterfaces/delete",
        "delete a leftover interface",
        "deletes",
        urgency=STOP,
    ),
    "GetSubnet": Use(
        "{}?api-version=2024-05-01",
        "Microsoft.Network/virtualNetworks/subnets/read",
        "whether a subnet is there",
    ),
    "GetGroup": Use(
        "?api-version=2021-04-01",
        "Microsoft.Resources/subscriptions/resourceGroups/read",
        "whether it is the configured subscription that answers",
    ),
    "GetOperation": Use(
        "{}",
        _COMPUTE + "locations/operations/read",
        "why an accepted change failed",
        policy="GetOperation",
    ),
    "ListUsage": Use("usage.list", _COMPUTE + "locations/usages/read", "the quotas"),
    "ListSizes": Use("resource_skus.list", _COMPUTE + "skus/read", "what a size is made of"),
    "ListVersions": Use(
        "virtual_machine_images.list",
        _COMPUTE + "locations/publishers/artifacttypes/offers/skus/versions/read",
        "the newest version of a marketplace image",
    ),
    "GetSwitch": Use(
        "Microsoft.Logic/workflows/{}?api-version=2019-05-01",
        "Microsoft.Logic/workflows/read",
        "whether the second switch is there and on",
    ),
    "ListSwitchRuns": Use(
        "Microsoft.Logic/workflows/{}/runs?api-version=2019-05-01&$top=1",
        "Microsoft.Logic/workflows/runs/read",
        "when the second switch last ran",
    ),
    "GetGalleryImage": Use(
        "{}?api-version=2024-03-03",
        _COMPUTE + "galleries/images/versions/read",
        "whether a gallery's image is there",
    ),
}
"""Action to use. A machine is made with its interface, for which Azure wants
`Microsoft.Network/networkInterfaces/write` and `…/join/action`, and `…/subnets/join/action`."""

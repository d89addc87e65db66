"""The least that the controller has to be allowed: exactly the calls that it makes, none by a pattern."""

from __future__ import annotations

from typing import Any

from gpuspawner.providers.azure_uses import USED_CALLS

WITH_A_MACHINE = (
    "Microsoft.Network/networkInterfaces/join/action",
    "Microsoft.Network/networkInterfaces/write",
    "Microsoft.Network/virtualNetworks/subnets/join/action",
)
"""What Azure wants besides, from whoever makes a machine with its interface."""

WHOLE = (
    "Microsoft.Compute/locations/operations/read",
    "Microsoft.Compute/locations/publishers/artifacttypes/offers/skus/versions/read",
    "Microsoft.Compute/locations/usages/read",
    "Microsoft.Compute/skus/read",
    "Microsoft.Compute/virtualMachines/read",
)
"""What Azure gives out for a whole subscription only."""


def controller(subscription: str, group: str) -> dict[str, Any]:
    """The role for the class's resource group."""
    called = {use.permission for use in USED_CALLS.values()}
    return _role(
        "gpuspawner controller",
        "Make, start, stop and delete the machines of a class in one resource group.",
        sorted(called.union(WITH_A_MACHINE)),
        f"/subscriptions/{subscription}/resourceGroups/{group}",
    )


def reader(subscription: str) -> dict[str, Any]:
    """The role for the subscription, which only reads."""
    return _role(
        "gpuspawner controller, reading",
        "What Azure gives out for a whole subscription only: sizes, quotas, operations, what "
        "machines are doing.",
        list(WHOLE),
        f"/subscriptions/{subscription}",
    )


def _role(name: str, description: str, actions: list[str], scope: str) -> dict[str, Any]:
    return {
        "Name": name,
        "IsCustom": True,
        "Description": description,
        "Actions": actions,
        "NotActions": [],
        "DataActions": [],
        "NotDataActions": [],
        "AssignableScopes": [scope],
    }

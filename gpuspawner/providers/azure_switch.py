"""A second switch outside the machines, for when the controller itself is dead. Pure: what it is made of.

On Azure a machine that switches itself off is billed on, so a dead controller would cost the whole
class. The switch is a Logic App (a workflow that Azure runs, without a server) with an identity of
its own that may list and deallocate the machines of one resource group and nothing else. It asks
the controller's `health?acts` every few minutes. When nobody has answered for longer than machines
wait before they save and switch themselves off, it deallocates every machine with this hub's tag.

Source: Microsoft, "Schema reference for the Workflow Definition Language in Azure Logic Apps" and
"Handle errors and exceptions in Azure Logic Apps". It is played in the tests, and was not yet on Azure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from gpuspawner.providers.tags import HUB

EVERY = timedelta(minutes=10)
RETRY = timedelta(minutes=5)
MARGIN = timedelta(minutes=15)
"""For machines to save and go off by themselves, after they have waited for the controller."""

ACTIONS = (
    "Microsoft.Compute/virtualMachines/deallocate/action",
    "Microsoft.Compute/virtualMachines/read",
)
"""What its identity may do, in one resource group."""

_AZURE = "https://management.azure.com"
_VERSION = "2024-07-01"
_SCHEMA = "https://schema.management.azure.com"
_IDENTITY = {"type": "ManagedServiceIdentity", "audience": f"{_AZURE}/"}


def name(hub_id: str) -> str:
    """What the Logic App of a hub is called."""
    return f"gpuspawner-switch-{hub_id}"


def retries(unreachable: timedelta) -> int:
    """How often the controller is asked again before it counts as dead.

    `unreachable` is how long machines wait for it (`c.Agent.unreachable_timeout`).
    """
    return math.ceil((unreachable + MARGIN) / RETRY)


def patience(unreachable: timedelta) -> timedelta:
    """From the controller's death to the switch, at most."""
    return EVERY + retries(unreachable) * RETRY


def role(subscription: str, group: str) -> dict[str, Any]:
    """The custom role of its identity."""
    return {
        "Name": "gpuspawner switch",
        "IsCustom": True,
        "Description": "Deallocate the machines of a class when its controller is dead.",
        "Actions": list(ACTIONS),
        "NotActions": [],
        "DataActions": [],
        "NotDataActions": [],
        "AssignableScopes": [f"/subscriptions/{subscription}/resourceGroups/{group}"],
    }


def parameters(subscription: str, group: str, hub_id: str, public_url: str) -> dict[str, str]:
    """What one hub's switch is told."""
    machines = (
        f"{_AZURE}/subscriptions/{subscription}/resourceGroups/{group}"
        f"/providers/Microsoft.Compute/virtualMachines?api-version={_VERSION}"
    )
    health = f"{public_url.rstrip('/')}/services/gpuspawner/health?acts"
    return {"hub": hub_id, "health": health, "machines": machines}


def template(values: Mapping[str, str], unreachable: timedelta) -> dict[str, Any]:
    """The template that makes it: `az deployment group create --template-file …`."""
    given = {key: {"value": value} for key, value in values.items()}
    named = name(values["hub"])
    workflow = {
        "type": "Microsoft.Logic/workflows",
        "apiVersion": "2019-05-01",
        "name": named,
        "location": "[resourceGroup().location]",
        "tags": {HUB: values["hub"]},
        "identity": {"type": "SystemAssigned"},
        "properties": {
            "state": "Enabled",
            "definition": definition(unreachable),
            "parameters": given,
        },
    }
    reference = (
        f"reference(resourceId('Microsoft.Logic/workflows', '{named}'), '2019-05-01', 'full')"
    )
    return {
        "$schema": f"{_SCHEMA}/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": [workflow],
        "outputs": {
            "principal": {"type": "string", "value": f"[{reference}.identity.principalId]"}
        },
    }


def definition(unreachable: timedelta) -> dict[str, Any]:
    """What it does. Deallocating twice is no error, so a switch that is pulled again harms nobody."""
    every = {"frequency": "Minute", "interval": _minutes(EVERY)}
    strings = {key: {"type": "String"} for key in ("hub", "health", "machines")}
    pages = {
        "type": "Until",
        "expression": "@empty(variables('next'))",
        "limit": {"count": 60, "timeout": "PT1H"},
        "actions": _page(),
        "runAfter": {},
    }
    return {
        "$schema": f"{_SCHEMA}/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#",
        "contentVersion": "1.0.0.0",
        "parameters": strings,
        "triggers": {
            "often": {
                "type": "Recurrence",
                "recurrence": every,
                "runtimeConfiguration": {"concurrency": {"runs": 1}},
            }
        },
        "actions": {
            "alive": _variable("alive", "boolean", False),
            "next": {
                **_variable("next", "string", "@parameters('machines')"),
                "runAfter": {"alive": ["Succeeded"]},
            },
            "asking": {
                "type": "Until",
                "expression": "@variables('alive')",
                "limit": {
                    "count": retries(unreachable) + 1,
                    "timeout": f"PT{_minutes(2 * patience(unreachable))}M",
                },
                "actions": _asking(),
                "runAfter": {"next": ["Succeeded"]},
            },
            "dead": {
                "type": "If",
                "expression": {"equals": ["@variables('alive')", False]},
                "actions": {"pages": pages},
                "runAfter": {"asking": ["Succeeded", "Failed", "TimedOut"]},
            },
        },
        "outputs": {},
    }


def _variable(called: str, kind: str, value: object) -> dict[str, Any]:
    first = {"name": called, "type": kind, "value": value}
    return {"type": "InitializeVariable", "inputs": {"variables": [first]}, "runAfter": {}}


def _asking() -> dict[str, Any]:
    """One question, and a wait when it was not answered as by a controller that acts.

    A proxy that has lost its routes answers 404 for a while, which a retry policy would take for an
    answer: so the loop is our own.
    """
    ask = {"method": "GET", "uri": "@parameters('health')", "retryPolicy": {"type": "none"}}
    return {
        "health": {"type": "Http", "inputs": ask, "runAfter": {}},
        "answered": {
            "type": "SetVariable",
            "inputs": {"name": "alive", "value": True},
            "runAfter": {"health": ["Succeeded"]},
        },
        "wait": {
            "type": "Wait",
            "inputs": {"interval": {"count": _minutes(RETRY), "unit": "Minute"}},
            "runAfter": {"health": ["Failed", "TimedOut"]},
        },
    }


def _page() -> dict[str, Any]:
    """The machines of one page of the list, each deallocated if it is this hub's."""
    deallocate = f"@concat('{_AZURE}', item()?['id'], '/deallocate?api-version={_VERSION}')"
    stop = {"method": "POST", "uri": deallocate, "authentication": _IDENTITY}
    look = {"method": "GET", "uri": "@variables('next')", "authentication": _IDENTITY}
    return {
        "page": {"type": "Http", "inputs": look, "runAfter": {}},
        "ours": {
            "type": "Query",
            "inputs": {
                "from": "@body('page')?['value']",
                "where": f"@equals(item()?['tags']?['{HUB}'], parameters('hub'))",
            },
            "runAfter": {"page": ["Succeeded"]},
        },
        "each": {
            "type": "Foreach",
            "foreach": "@body('ours')",
            "actions": {
                "deallocate": {
                    "type": "Http",
                    "inputs": stop,
                    # Otherwise it would wait until each is off.
                    "operationOptions": "DisableAsyncPattern",
                    "runAfter": {},
                }
            },
            "runAfter": {"ours": ["Succeeded"]},
        },
        "further": {
            "type": "SetVariable",
            "inputs": {"name": "next", "value": "@coalesce(body('page')?['nextLink'], '')"},
            # One that cannot be deallocated keeps no other from it.
            "runAfter": {"each": ["Succeeded", "Failed", "TimedOut"]},
        },
    }


def _minutes(span: timedelta) -> int:
    return int(span.total_seconds() // 60)

"""What an admin makes once in a cloud account, before the first start: `gpuspawner bootstrap azure`.

It writes files that are filled in from the configuration, and prints the commands that use them. It
asks the cloud nothing: who may make roles is an admin, and not the controller.
"""

from __future__ import annotations

import json
import shlex
from datetime import timedelta
from pathlib import Path

from gpuspawner.errors import ConfigurationError
from gpuspawner.providers import azure_roles, azure_switch
from gpuspawner.settings.azure_record import AzureRecord
from gpuspawner.settings.whole import Settings

HERE = "$(az identity show --ids IDENTITY --query principalId --output tsv)"
"""The controller's own identity, which only the admin knows."""


def azure(config: Path, folder: Path) -> int:
    """Write the roles and the second switch of the hub in `config`, and print what to do with them.

    Raises:
        ConfigurationError: the configuration has a mistake, or is for another cloud.
    """
    loaded = Settings.load(config)
    if loaded.azure is None:
        raise ConfigurationError(f"{config} is not for Azure: c.Controller.provider is not azure")
    record = loaded.azure
    unreachable = timedelta(seconds=loaded.agent.unreachable_seconds)
    given = azure_switch.parameters(
        record.subscription,
        record.resource_group,
        loaded.identity.hub_id,
        loaded.controller.public_url,
    )
    where = (record.subscription, record.resource_group)
    files = {
        "role.json": azure_roles.controller(*where),
        "role-subscription.json": azure_roles.reader(record.subscription),
        "role-switch.json": azure_switch.role(*where),
        "switch.json": azure_switch.template(given, unreachable),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        text = json.dumps(content, indent=2, ensure_ascii=False)
        (folder / name).write_text(text + "\n", encoding="utf-8")
    print("\n".join(commands(record, folder)))
    return 0


def commands(record: AzureRecord, folder: Path) -> list[str]:
    """The commands, in their order. IDENTITY is the resource id of the controller's identity."""
    whole = f"/subscriptions/{record.subscription}"
    group = f"{whole}/resourceGroups/{record.resource_group}"
    here = shlex.quote(str(folder))
    made = [
        f"az role definition create --role-definition {here}/{name}"
        for name in ("role.json", "role-subscription.json", "role-switch.json")
    ]
    deploy = [
        "SWITCH=$(az deployment group create",
        f"--subscription {record.subscription}",
        f"--resource-group {shlex.quote(record.resource_group)}",
        f"--template-file {here}/switch.json",
        "--query properties.outputs.principal.value --output tsv)",
    ]
    return [
        *made,
        f"CONTROLLER={HERE}",
        _assign("$CONTROLLER", "gpuspawner controller", group),
        _assign("$CONTROLLER", "gpuspawner controller, reading", whole),
        " ".join(deploy),
        _assign("$SWITCH", "gpuspawner switch", group),
    ]


def _assign(who: str, role: str, scope: str) -> str:
    return (
        f'az role assignment create --assignee-object-id "{who}" --assignee-principal-type '
        f"ServicePrincipal --role {shlex.quote(role)} --scope {shlex.quote(scope)}"
    )

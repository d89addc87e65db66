"""Network interfaces and subnets, as far as machines need them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from gpuspawner.emulator import arm_checks as checks
from gpuspawner.emulator import arm_pages as pages
from gpuspawner.emulator import arm_views as views
from gpuspawner.emulator.arm_records import NIC, Nic
from gpuspawner.emulator.arm_wire import Answer, Call, Refusal, answer, resource_id
from gpuspawner.emulator.arm_world import World

Handler = Callable[[Call], Answer]


class Network:
    """Handlers by action. `url` is where the emulator is reached."""

    def __init__(self, world: World, url: Callable[[], str]) -> None:
        self._world = world
        self._url = url
        self.handlers: dict[str, Handler] = {
            "NetworkInterfaces_CreateOrUpdate": self.put_nic,
            "NetworkInterfaces_List": self.nics,
            "NetworkInterfaces_Get": self.nic,
            "NetworkInterfaces_Delete": self.delete_nic,
            "Subnets_Get": self.subnet,
        }

    def put_nic(self, call: Call) -> Answer:
        """Create an interface on its own; one that exists may only change its tags."""
        checks.group(call, self._world.seed)
        region, name = checks.region(call.body), call.params["name"]
        known = self._world.nics.get(name.lower())
        if known is not None:
            known.tags = dict(call.body.get("tags") or {})
            return answer(200, views.nic(known))
        asked = (call.body.get("properties") or {}).get("ipConfigurations") or []
        if not asked:
            message = f"Network Interface {name} must have at least one IP configuration."
            raise Refusal("NetworkInterfaceMustHaveIpConfiguration", message, 400)
        checks.subnet(asked[0], self._world.seed, region)
        made = nic(self._world, call, name, region, asked[0], call.body.get("tags") or {})
        self._world.nics[name.lower()] = made
        return answer(201, views.nic(made))

    def nics(self, call: Call) -> Answer:
        """The network interfaces of the group, with their addresses."""
        checks.group(call, self._world.seed)
        return pages.page(call, self._url(), [views.nic(nic) for nic in self._world.nics.values()])

    def nic(self, call: Call) -> Answer:
        """One network interface."""
        checks.group(call, self._world.seed)
        nic = self._world.nics.get(call.params["name"].lower())
        if nic is None:
            raise checks.not_found(call.path)
        shown = views.nic(nic)
        return answer(200, shown, {"ETag": shown["etag"]})

    def delete_nic(self, call: Call) -> Answer:
        """Delete an interface that no machine has."""
        checks.group(call, self._world.seed)
        nic = self._world.nics.get(call.params["name"].lower())
        if nic is None:
            return answer(204)
        if nic.owner_id:
            message = f"Network Interface {nic.id} is used by existing resource {nic.owner_id}."
            raise Refusal("NicInUse", message, 400)
        del self._world.nics[nic.name.lower()]
        return answer(200)

    def subnet(self, call: Call) -> Answer:
        """The subnet of a region."""
        checks.group(call, self._world.seed)
        for region in self._world.seed.regions:
            id_ = self._world.seed.subnet_id(region)
            if id_.lower() == call.path.lower():
                properties = {"addressPrefix": "10.0.0.0/16", "provisioningState": "Succeeded"}
                name = self._world.seed.subnet
                return answer(200, {"id": id_, "name": name, "properties": properties})
        raise checks.not_found(call.path)


def nic(
    world: World,
    call: Call,
    name: str,
    region: str,
    configuration: Mapping[str, Any],
    tags: Mapping[str, str],
) -> Nic:
    """A new interface that nobody has, with the next free address."""
    return Nic(
        resource_id(world.seed.subscription, call.params["group"], NIC, name), name,
        call.params["group"], region, world.address(),
        configuration["properties"]["subnet"]["id"], dict(tags), None,
        delete_with_machine=False, created_at=world.clock.now(),
        configuration=str(configuration.get("name") or "primary"),
    )  # fmt: skip


def interfaces(world: World, call: Call, region: str, owner: str) -> list[Nic]:
    """What a machine's network profile asks for: interfaces that are there, or new ones."""
    profile = call.body["properties"]["networkProfile"]
    found = []
    for one in profile.get("networkInterfaces") or []:
        known = world.nics[one["id"].rpartition("/")[2].lower()]
        known.delete_with_machine = (one.get("properties") or {}).get("deleteOption") == "Delete"
        found.append(known)
    for one in profile.get("networkInterfaceConfigurations") or []:
        # The name of the resource is Azure's own making; nobody may rely on it.
        name, properties = f"{one['name']}-{uuid.uuid4().hex[:8]}", one["properties"]
        configuration = properties["ipConfigurations"][0]
        made = nic(world, call, name, region, configuration, one.get("tags") or {})
        made.delete_with_machine = properties.get("deleteOption", "Detach") == "Delete"
        found.append(made)
    for one in found:
        one.owner_id = owner
        world.nics[one.name.lower()] = one
    return found

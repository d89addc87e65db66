"""Homes, which are disks of their own, and what machines leave behind."""

from __future__ import annotations

from dataclasses import dataclass

from gpuspawner.errors import MachineNotFound, WrongState
from gpuspawner.model import Home
from gpuspawner.providers import azure_requests, azure_world
from gpuspawner.providers.azure_calls import Calls
from gpuspawner.providers.base import HomeRequest
from gpuspawner.providers.tags import HUB
from gpuspawner.settings.azure_record import AzureRecord


@dataclass(frozen=True)
class Disks:
    """The disks and interfaces of this hub, and of no other."""

    calls: Calls
    record: AzureRecord
    hub_id: str

    async def create_home(self, request: HomeRequest) -> Home:
        """Create a disk, under a name that is the token's."""
        body = azure_requests.home(request, self.record, self.hub_id)
        name = azure_requests.home_name(request)
        answer = await self.calls.ask("CreateDisk", self.record.resource_group, name, body)
        if (answer.content.get("properties") or {}).get("timeCreated") is None:
            answer = await self.calls.ask("GetDisk", self.record.resource_group, name)
        return azure_world.home(answer.content)

    async def attach_home(self, home_id: str, machine_id: str) -> None:
        """Attach a disk; the machine that has it already is looked at first."""
        disk = await self._home(home_id)
        holder = azure_world.attached_to(disk)
        if holder == machine_id:
            return
        if holder:
            raise WrongState(f"{home_id} is attached to {holder}")
        body = azure_requests.attachment(disk["id"])
        await self.calls.post("AttachDisk", machine_id, body=body)

    async def delete_home(self, home_id: str) -> None:
        """Delete a disk that is attached to nothing."""
        disk = await self._home(home_id)
        if holder := azure_world.attached_to(disk):
            raise WrongState(f"{home_id} is attached to {holder}")
        await self.calls.ask("DeleteDisk", self.record.resource_group, home_id)

    async def delete_fragment(self, kind: str, name: str) -> None:
        """Delete a disk or an interface that a machine left behind.

        Raises:
            MachineNotFound: there is none of that name, or it is not this hub's.
            WrongState: a machine has it.
        """
        if kind == "nic":
            interfaces = await self.calls.list("ListInterfaces")
            found = [one for one in interfaces if azure_world.name_of(one) == name]
            if not found or azure_world.tags_of(found[0]).get(HUB) != self.hub_id:
                raise MachineNotFound(f"{name} does not exist")
            await self.calls.delete("DeleteInterface", name)
            return
        disk = (await self.calls.ask("GetDisk", self.record.resource_group, name)).content
        if not azure_world.is_ours(disk, self.hub_id) or azure_world.is_home(disk):
            raise MachineNotFound(f"{name} is not a machine's own disk of this hub")
        await self.calls.ask("DeleteDisk", self.record.resource_group, name)

    async def _home(self, home_id: str) -> azure_world.Thing:
        disk: azure_world.Thing = (
            await self.calls.ask("GetDisk", self.record.resource_group, home_id)
        ).content
        if not azure_world.is_ours(disk, self.hub_id) or not azure_world.is_home(disk):
            raise MachineNotFound(f"{home_id} is no home of this hub")
        return disk

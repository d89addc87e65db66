"""What the emulated EC2 says of itself and its machines below `/_emulator/`."""

from __future__ import annotations

from typing import Any

from gpuspawner.emulator.clock_ import text
from gpuspawner.emulator.ec2_instances import Instances
from gpuspawner.emulator.ec2_lifecycle import Record
from gpuspawner.emulator.ec2_wire import Answer, Call, Refusal
from gpuspawner.emulator.ec2_world import World, sizes


class Front:
    """Implements `gpuspawner.emulator.api.Front`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._instances = Instances(world)

    def seed(self) -> dict[str, Any]:
        """Ids and names, sizes with prices, and how machines are kept apart."""
        about = {"sizes": sizes(), "separation": self._world.host.separation}
        return {**self._world.seed.to_json(), **about}

    def machines(self) -> list[dict[str, Any]]:
        """Every instance, terminated ones for an hour."""
        return [self._shown(record) for record in self._world.lifecycle.records.values()]

    def machine(self, machine_id: str) -> dict[str, Any] | None:
        """One instance."""
        record = self._world.lifecycle.records.get(machine_id)
        return self._shown(record) if record else None

    def events(self) -> list[dict[str, Any]]:
        """What has happened to instances."""
        return self._world.lifecycle.events

    def power(self, machine_id: str, action: str) -> None:
        """As from the console, or with `off` from inside the machine.

        Raises:
            Refusal: its state forbids it.
        """
        record = self._world.lifecycle.records[machine_id]
        if action == "off":
            if record.state != "running":
                message = f"{machine_id} is {record.state}: nobody is inside."
                raise Refusal("IncorrectInstanceState", message)
            self._world.lifecycle.powered(machine_id, "poweroff")
            return
        # Through the API's own door, so that states, capacity and quota count; as somebody else's
        # call it is not among those that were counted and throttled.
        call = Call(
            "ec2", self._world.region, f"{action.title()}Instances", {"InstanceId.1": machine_id}
        )
        self._instances.handlers[call.action](call, _nobody)

    def _shown(self, record: Record) -> dict[str, Any]:
        tags = self._world.backend.tags.get(record.id, {})
        return {
            "id": record.id,
            "state": record.state,
            "type": record.type,
            "zone": record.zone,
            "address": record.address,
            "tags": dict(tags),
            "volumes": sorted(self._world.volumes.folders(record.id)),
            "created": text(record.created_at),
            "since": text(record.since),
        }


def _nobody(call: Call) -> Answer:
    raise AssertionError(f"{call.action} is not for moto")

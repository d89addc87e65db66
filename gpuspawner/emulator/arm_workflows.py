"""Logic Apps, as far as somebody asks whether there is one, and when it last ran. None is carried out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gpuspawner.emulator import arm_checks as checks
from gpuspawner.emulator.arm_wire import Answer, Call, answer, resource_id
from gpuspawner.emulator.arm_world import World
from gpuspawner.emulator.clock_ import text

KIND = "Microsoft.Logic/workflows"


class Workflows:
    """Handlers by action."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.handlers: dict[str, Callable[[Call], Answer]] = {
            "Workflows_CreateOrUpdate": self.put,
            "Workflows_Get": self.get,
            "WorkflowRuns_List": self.runs,
        }

    def put(self, call: Call) -> Answer:
        """Make or change one."""
        checks.group(call, self._world.seed)
        name, now = call.params["name"], self._world.clock.now()
        known = self._world.workflows.get(name.lower())
        began = known[0] if known else now
        given = call.body.get("properties") or {}
        made = {
            "id": resource_id(self._world.seed.subscription, call.params["group"], KIND, name),
            "name": name,
            "type": KIND,
            "location": checks.region(call.body),
            "tags": dict(call.body.get("tags") or {}),
            "properties": {
                "provisioningState": "Succeeded",
                "createdTime": text(began),
                "changedTime": text(now),
                "state": "Enabled",
                **given,
            },
        }
        self._world.workflows[name.lower()] = (began, made)
        return answer(200 if known else 201, made)

    def get(self, call: Call) -> Answer:
        """One."""
        return answer(200, self._one(call)[1])

    def runs(self, call: Call) -> Answer:
        """The last run, by the recurrence of its trigger; one that is disabled has none."""
        began, one = self._one(call)
        properties = one["properties"]
        triggers = (properties.get("definition") or {}).get("triggers") or {}
        every = [each["recurrence"]["interval"] * 60 for each in triggers.values()]
        if properties["state"] != "Enabled" or not every:
            return answer(200, {"value": []})
        now = self._world.clock.now()
        started = began + (now - began) // every[0] * every[0]
        run = {"name": "1", "properties": {"startTime": text(started), "status": "Succeeded"}}
        return answer(200, {"value": [run]})

    def _one(self, call: Call) -> tuple[float, Mapping[str, Any]]:
        checks.group(call, self._world.seed)
        found = self._world.workflows.get(call.params["name"].lower())
        if found is None:
            raise checks.not_found(call.path.partition("/runs")[0])
        return found

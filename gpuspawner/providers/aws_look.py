"""Looking at this hub's instances and volumes, and at no others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gpuspawner.clock import Clock
from gpuspawner.errors import MachineNotFound, ProviderError, ProviderUnavailable, WrongState
from gpuspawner.providers.aws_calls import Calls
from gpuspawner.providers.aws_requests import of_hub
from gpuspawner.providers.aws_world import TERMINATED, state

AT_ONCE = 100
"""The most ids in one filter or call: EC2 takes 200 values in a filter."""

FRESH_SECONDS = 5.0
"""How long the last listing is good enough to leave out of a batch what cannot succeed."""

CONSISTENT_SECONDS = 300.0
"""How long EC2 may deny what it has made, until it has shown it once: its consistency is eventual."""


@dataclass
class Look:
    """Asks with filters, so that an id that is missing, or another hub's, is simply not there."""

    calls: Calls
    hub_id: str
    clock: Clock
    _made: dict[str, float] = field(default_factory=dict)
    _listed: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _listed_at: float = -FRESH_SECONDS

    async def everything(self) -> list[Mapping[str, Any]]:
        """All instances, remembered for a few seconds for what is done about them."""
        at = self.clock.monotonic()
        found = await self.instances()
        self._listed = {one["InstanceId"]: one for one in found}
        self._listed_at = at
        return found

    def changing(self, ids: Iterable[str]) -> None:
        """These are about to be changed: what was remembered of them is no longer true."""
        for id_ in ids:
            self._listed.pop(id_, None)

    async def instances(self, **more: Collection[str]) -> list[Mapping[str, Any]]:
        """All instances, terminated ones too; `instance_id=[…]` and the like narrow them."""
        reservations = await self.calls.all_of(
            "DescribeInstances", "Reservations", **of_hub(self.hub_id, **more)
        )
        found = [instance for one in reservations for instance in one["Instances"]]
        self._shown(one["InstanceId"] for one in found)
        return found

    async def volumes(self, **more: Collection[str]) -> list[Mapping[str, Any]]:
        """All volumes; `volume_id=[…]` and the like narrow them."""
        found: list[Mapping[str, Any]] = await self.calls.all_of(
            "DescribeVolumes", "Volumes", **of_hub(self.hub_id, **more)
        )
        self._shown(one["VolumeId"] for one in found)
        return found

    async def seen(self, ids: Collection[str]) -> dict[str, Mapping[str, Any]]:
        """Those of `ids` that there are.

        What the last listing showed a moment ago is not asked again: a class that is started would
        cost a call for each hundred machines, and the answer would hardly be newer.
        """
        fresh = self.clock.monotonic() - self._listed_at < FRESH_SECONDS
        known = {id_: self._listed[id_] for id_ in ids if fresh and id_ in self._listed}
        return known | {
            one["InstanceId"]: one
            for batch in batches(id_ for id_ in ids if id_ not in known)
            for one in await self.instances(instance_id=batch)
        }

    async def volume(self, id: str) -> Mapping[str, Any]:  # noqa: A002 - the clouds' own word
        """One volume.

        Raises:
            MachineNotFound: it is gone, or not this hub's.
            ProviderUnavailable: it was just made and is not shown yet.
        """
        for volume in await self.volumes(volume_id=[id]):
            if volume["State"] != "deleted":
                return volume
        raise self._missing(id)

    def sort_out(
        self,
        ids: Collection[str],
        seen: Mapping[str, Mapping[str, Any]],
        *,
        ready: str,
        already: frozenset[str],
    ) -> tuple[list[str], dict[str, ProviderError]]:
        """Those of `ids` that are in the state `ready`, and the errors of those in a wrong one.

        `already` are the states in which there is nothing to do.
        """
        todo: list[str] = []
        errors: dict[str, ProviderError] = {}
        for id_ in dict.fromkeys(ids):
            now = state(seen[id_]) if id_ in seen else None
            if now == ready:
                todo.append(id_)
            elif now is None:
                errors[id_] = self._missing(id_)
            elif now == TERMINATED:
                errors[id_] = MachineNotFound(f"{id_} is terminated")
            elif now not in already:
                errors[id_] = WrongState(f"{id_} is {now}")
        return todo, errors

    def remember(self, id: str) -> None:  # noqa: A002
        """This one has just been made."""
        now = self.clock.monotonic()
        self._made = {one: at for one, at in self._made.items() if now - at < CONSISTENT_SECONDS}
        self._made[id] = now

    def _shown(self, ids: Iterable[str]) -> None:
        for id_ in ids:
            self._made.pop(id_, None)

    def _missing(self, id_: str) -> ProviderError:
        at = self._made.get(id_)
        if at is not None and self.clock.monotonic() - at < CONSISTENT_SECONDS:
            return ProviderUnavailable(f"{id_} was just made and is not shown yet")
        return MachineNotFound(f"{id_} does not exist")


def batches(ids: Iterable[str]) -> Iterator[list[str]]:
    """Cut into pieces that one call takes, each id once."""
    listed = list(dict.fromkeys(ids))
    for at in range(0, len(listed), AT_ONCE):
        yield listed[at : at + AT_ONCE]

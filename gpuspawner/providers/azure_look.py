"""Looking at this hub's machines, disks and interfaces, and remembering what Azure does not tell.

Four lists make a look, however many machines there are. Azure does not say that it has deleted a
machine, and not all about when one was billed (`azure_times`); what was seen at earlier looks is kept
for that. After a restart the first look says as much as Azure does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from gpuspawner.clock import Clock
from gpuspawner.errors import MachineNotFound, ProviderError
from gpuspawner.model import Disk, Fragment, Machine, Power, World
from gpuspawner.providers import azure_world as words
from gpuspawner.providers.azure_calls import Calls
from gpuspawner.providers.azure_times import NOT_ASKED, Hands, hands, timed
from gpuspawner.providers.azure_world import Status, Thing
from gpuspawner.providers.tags import CLAIM, HUB
from gpuspawner.settings.azure_record import AzureRecord

FRESH_SECONDS = 5.0
"""How long the last look is good enough for what is done about it."""

KEPT = timedelta(hours=1)
"""How long a machine that is gone is told of."""

_YOUNG = timedelta(minutes=5)
"""A new disk or interface is nobody's for a moment, and need not be listed: it is no leftover then."""


@dataclass
class Seen:
    """One machine at the last look: as it was listed, and what it was doing."""

    machine: Machine
    status: Status
    model: Thing


@dataclass
class Look:
    """Lists, and remembers from one list to the next."""

    calls: Calls
    record: AzureRecord
    hub_id: str
    clock: Clock
    _seen: dict[str, Seen] = field(default_factory=dict)
    _changed: set[str] = field(default_factory=set)
    _looked_at: float = -FRESH_SECONDS
    _leaving: set[str] = field(default_factory=set)
    _gone: dict[str, tuple[datetime, Machine | None]] = field(default_factory=dict)
    _listed: set[str] = field(default_factory=set)
    _loose: dict[str, datetime] = field(default_factory=dict)
    _operations: dict[str, str] = field(default_factory=dict)
    _ends: dict[str, str] = field(default_factory=dict)
    _reasons: dict[tuple[str, datetime | None], tuple[str, str]] = field(default_factory=dict)

    async def world(self, missed: Collection[str] = ()) -> World:
        """One complete listing; each of `missed` that is not in it is asked for by name."""
        listed_at = self.clock.now()
        group = self.record.resource_group
        statuses, models, disks, interfaces = await _together(
            self.calls.all_of("ListStatus", status_only="true"),
            self.calls.all_of("ListMachines", group),
            self.calls.all_of("ListDisks", group),
            self.calls.list("ListInterfaces"),
        )
        addresses = {
            holder: address
            for one in interfaces
            if (holder := words.holder_of(one)) and (address := words.address_of(one))
        }
        owned = {
            words.attached_to(one) or "": hands(one) for one in disks if not words.is_home(one)
        }
        self._learn(statuses, models, addresses, owned, listed_at)
        await self._find_reasons()
        await self._find_gone(listed_at, missed)
        await self._date_ends()
        machines = {id_: one.machine for id_, one in self._seen.items()}
        ours = [one for one in disks if words.is_ours(one, self.hub_id)]
        kept = [one for one in ours if words.is_home(one)]
        left = [one for one in ours if not words.is_home(one) and not words.attached_to(one)]
        nobodys = [
            one
            for one in interfaces
            if words.tags_of(one).get(HUB) == self.hub_id and not words.holder_of(one)
        ]
        return World(
            listed_at=listed_at,
            machines=tuple(machines.values()),
            homes=tuple(words.home(one) for one in kept),
            fragments=tuple(self._fragments(left, nobodys, listed_at)),
            gone=frozenset(self._gone),
            disks=tuple(self._disk(one, machines) for one in ours),
            ended=tuple(one for _, one in self._gone.values() if one is not None),
        )

    async def seen(self, ids: Collection[str]) -> Mapping[str, Seen]:
        """Those of `ids` that there are; what the last look showed a moment ago is not asked again."""
        fresh = self.clock.monotonic() - self._looked_at < FRESH_SECONDS
        if not fresh or any(id_ not in self._seen or id_ in self._changed for id_ in ids):
            listed_at = self.clock.now()
            statuses, models = await _together(
                self.calls.all_of("ListStatus", status_only="true"),
                self.calls.all_of("ListMachines", self.record.resource_group),
            )
            known = {
                one.model["id"].lower(): one.machine.address
                for one in self._seen.values()
                if one.machine.address
            }
            self._learn(statuses, models, known, None, listed_at)
            await self._find_reasons()
        return {id_: self._seen[id_] for id_ in ids if id_ in self._seen}

    def accepted(self, id_: str, operation: str) -> None:
        """Azure has accepted a change: its address says later why it failed, if it did."""
        self._operations[id_] = operation
        self._ends.pop(id_, None)

    def ending(self, id_: str, operation: str) -> None:
        """Azure has accepted a change that ends the bill: its address says when that began."""
        self.accepted(id_, operation)
        self._ends[id_] = operation

    def changing(self, id_: str) -> None:
        """This one is about to be changed: what was seen of it is no longer true."""
        self._changed.add(id_)

    def leaving(self, id_: str, operation: str) -> None:
        """Azure has accepted to delete this one."""
        self.ending(id_, operation)
        self._leaving.add(id_)
        self._changed.add(id_)

    def left(self, id_: str) -> None:
        """Azure says that this one is no more, if it ever was one of ours."""
        if id_ in self._seen or id_ in self._leaving:
            self._is_no_more(id_)

    async def exists(self, id_: str) -> bool:
        """Whether Azure still has this one: 404 is an answer, its absence from a list is none."""
        try:
            await self.calls.ask("GetMachine", self.record.resource_group, id_)
        except MachineNotFound:
            return False
        return True

    def is_gone(self, id_: str) -> bool:
        """Whether it was made, and is no more or on its way out, as far as is remembered."""
        return id_ in self._gone or id_ in self._leaving

    def _learn(
        self,
        statuses: Iterable[Thing],
        models: Iterable[Thing],
        addresses: Mapping[str, str],
        owned: Mapping[str, Hands | None] | None,
        listed_at: datetime,
    ) -> None:
        doing = {one["id"].lower(): words.status(one) for one in statuses}
        now: dict[str, Seen] = {}
        for model in models:
            if words.tags_of(model).get(HUB) != self.hub_id:
                continue
            id_ = words.name_of(model)
            status = doing.get(model["id"].lower(), words.UNKNOWN)
            if not status.provisioning:
                state = str(model["properties"].get("provisioningState", "")).lower()
                status = replace(status, provisioning=state)
            before = self._seen.get(id_)
            does = words.power(status, before.machine.power if before else None)
            machine = words.machine(model, does, status, addresses)
            # Whom this process has had made was seen before it ran, also if no look fell into that.
            unrun = machine if id_ in self._operations else None
            old = before.machine if before else unrun
            young = listed_at - machine.created_at < _YOUNG
            unknown = NOT_ASKED if owned is None or young else None
            disk = (owned or {}).get(id_, unknown)
            now[id_] = Seen(timed(machine, status, disk, old, listed_at), status, model)
            if does is Power.DELETING:
                self._leaving.add(id_)
        for id_, one in self._seen.items():
            if id_ not in now:
                now[id_] = one  # until Azure says that it is gone, see `_find_gone`
        self._seen = now
        self._changed.clear()
        self._looked_at = self.clock.monotonic()
        self._listed = {words.name_of(model) for model in models}

    async def _find_reasons(self) -> None:
        """The list says that a change failed, and need not say why: ask once for each failure."""
        reasons: dict[tuple[str, datetime | None], tuple[str, str]] = {}
        for id_, one in self._seen.items():
            if not one.status.failed:
                continue
            key = id_, one.status.at
            reasons[key] = self._reasons.get(key) or await self._reason(id_, one.status)
            code, message = reasons[key]
            one.status = replace(one.status, code=code, message=message)
            does = words.power(one.status, one.machine.power)
            one.machine = replace(one.machine, power=does, because=code)
        self._reasons = reasons

    async def _reason(self, id_: str, status: Status) -> tuple[str, str]:
        if status.code:
            return status.code, status.message
        url = self._operations.pop(id_, "")
        if url:
            said = (await self.calls.get("GetOperation", url)).get("error") or {}
            if said.get("code"):
                return str(said["code"]), str(said.get("message", ""))
        answer = await self.calls.ask(
            "GetMachine", self.record.resource_group, id_, expand="instanceView"
        )
        found = words.status(answer.content)
        return found.code, found.message

    async def _find_gone(self, now: datetime, missed: Collection[str]) -> None:
        """Ask for each that is not listed and was, or was being deleted, by whomever."""
        wanted = self._leaving | self._seen.keys() | set(missed) - self._gone.keys()
        for id_ in sorted(wanted - self._listed):
            if not await self.exists(id_):
                self._is_no_more(id_)
        self._gone = {id_: one for id_, one in self._gone.items() if now - one[0] < KEPT}

    def _is_no_more(self, id_: str) -> None:
        self._leaving.discard(id_)
        if id_ in self._gone:
            return
        now, seen, last = self.clock.now(), self._seen.pop(id_, None), None
        if seen is not None:
            last = replace(seen.machine, power=Power.DELETING)
            last = replace(last, stopped_at=last.stopped_at or now)
        self._gone[id_] = (now, last)

    async def _date_ends(self) -> None:
        """Ask when deallocating or deleting began, where no look has shown a machine at it."""
        ended = {id_: one.machine for id_, one in self._seen.items() if one.machine.stopped_at}
        ended |= {id_: one for id_, (_, one) in self._gone.items() if one is not None}
        for id_ in self._ends.keys() & ended.keys():
            url, machine = self._ends.pop(id_), ended[id_]
            under_way = machine.power in (Power.STOPPING, Power.DELETING) and id_ in self._seen
            if under_way or not url:
                continue
            with contextlib.suppress(ProviderError):
                began = words.time((await self.calls.get("GetOperation", url)).get("startTime"))
                self._end_at(id_, machine, began)

    def _end_at(self, id_: str, machine: Machine, began: datetime | None) -> None:
        if began is None or machine.stopped_at is None or began >= machine.stopped_at:
            return
        dated = replace(machine, stopped_at=began)
        if id_ in self._seen:
            self._seen[id_].machine = dated
        else:
            self._gone[id_] = (self._gone[id_][0], dated)

    def _disk(self, entry: Thing, machines: Mapping[str, Machine]) -> Disk:
        return words.disk(entry, machines.get(words.attached_to(entry) or ""))

    def _fragments(
        self, disks: Iterable[Thing], interfaces: Iterable[Thing], now: datetime
    ) -> Iterable[Fragment]:
        loose: dict[str, datetime] = {}
        for kind, things in (("disk", disks), ("nic", interfaces)):
            for one in things:
                id_ = f"{kind}/{words.name_of(one)}"
                loose[id_] = self._loose.get(id_, now)
                created = words.time(one["properties"].get("timeCreated")) or loose[id_]
                if now - created >= _YOUNG:
                    claim = words.tags_of(one).get(CLAIM)
                    yield Fragment(id_, kind, created, claim)
        self._loose = loose


async def _together(*doing: Coroutine[Any, Any, Any]) -> list[Any]:
    """The results of all, or the first error; then none of the others goes on."""
    tasks = [asyncio.ensure_future(one) for one in doing]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

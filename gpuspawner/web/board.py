"""What the hub sees: a view of each claim, kept current, and its changes numbered one by one.

The views are made anew from the database and the last listing, and compared with the ones before;
what differs is told. So nobody has to remember to tell.
"""

from __future__ import annotations

import asyncio
import statistics
from collections import defaultdict
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from sqlalchemy import Connection

from gpuspawner.clock import Clock
from gpuspawner.model import (
    SETTLED,
    Claim,
    Desired,
    Finding,
    Intent,
    Machine,
    Offering,
    Power,
    Severity,
    Stage,
    World,
)
from gpuspawner.store import claims
from gpuspawner.store.database import Database
from gpuspawner.store.remembered import Durations, Histories
from gpuspawner.store.seen import Seen
from gpuspawner.views import ClaimView, CreditView, Progress, SessionView, SizeCard

Event: TypeAlias = "dict[str, Any]"
_USUAL_OVER = timedelta(days=14)
_PRICES = "prices"


@dataclass(frozen=True, slots=True)
class _Rows:
    claims: list[Claim]
    intents: dict[str, Intent]
    histories: Mapping[str, tuple[Progress, ...]]
    durations: Mapping[str, list[float]]


class Board:
    """The views, the size cards, and whoever follows them."""

    def __init__(self, database: Database, seen: Seen, clock: Clock) -> None:
        self._database, self._seen, self._clock = database, seen, clock
        self._refreshing = asyncio.Lock()
        self._asked = self._made = 0
        self._histories, self._durations = Histories(), Durations()
        self._followers: set[asyncio.Queue[Event]] = set()
        self.views: dict[str, ClaimView] = {}
        self.sizes: list[SizeCard] = []
        self.observed = False
        self.number = 0
        self.since = clock.now()
        self.next_look: datetime | None = None
        """When the cloud is looked at again at the latest."""

    @property
    def seen(self) -> Seen:
        """What was last seen of the cloud, for the admin."""
        return self._seen

    @property
    def world(self) -> World | None:
        """The last complete listing, None before the first."""
        return self._seen.world

    @property
    def trouble(self) -> str:
        """Why the cloud cannot be listed, for the admin; "" when it can."""
        return self._seen.problems.get("", "")

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is not well with the account, for the admin."""
        seen = self._seen
        unpriced = (
            Finding(_PRICES, Severity.ERROR, sentence, check=_PRICES) for sentence in seen.unpriced
        )
        return (*seen.findings, *seen.prices, *unpriced, *seen.silent)

    @property
    def problems(self) -> dict[str, str]:
        """What last went wrong with each claim, for the admin."""
        return {claim: text for claim, text in self._seen.problems.items() if claim}

    def snapshot(self) -> Event:
        """Everything, as one event with the present number."""
        return {
            "type": "snapshot",
            "number": self.number,
            "observed": self.observed,
            "claims": [view.to_json() for view in self.views.values()],
            "sizes": [card.to_json() for card in self.sizes],
        }

    @contextmanager
    def follow(self) -> Iterator[asyncio.Queue[Event]]:
        """A queue that holds the snapshot, and gets every event after it."""
        queue: asyncio.Queue[Event] = asyncio.Queue()
        queue.put_nowait(self.snapshot())
        self._followers.add(queue)
        try:
            yield queue
        finally:
            self._followers.discard(queue)

    async def refresh(self) -> None:
        """Make the views anew and tell what has changed since.

        Those who ask while others are being served share the next one: when a class presses Start
        together, every request waits for a refresh, and there must not be one for each.
        """
        self._asked = mine = self._asked + 1
        async with self._refreshing:
            if self._made >= mine:
                return
            covers = self._asked
            await self._refresh()
            self._made = covers

    async def _refresh(self) -> None:
        rows = await self._database.read(self._read)
        fresh = self._views(rows)
        for name, view in fresh.items():
            if self.views.get(name) != view:
                self.views[name] = view
                self._tell({"type": "claim", "claim": view.to_json()})
        for name in self.views.keys() - fresh.keys():
            del self.views[name]
            self._tell({"type": "forgotten", "name": name})
        sizes = size_cards(self._seen.offerings(self._clock.now()), rows.durations)
        if sizes != self.sizes:
            self.sizes = sizes
            self._tell({"type": "sizes", "sizes": [card.to_json() for card in sizes]})
        if not self.observed and self._seen.world and _all_known(self._seen.world, fresh):
            self.observed = True
            self._tell({"type": "observed"})

    def _read(self, connection: Connection) -> _Rows:
        return _Rows(
            claims.all_claims(connection),
            {intent.claim: intent for intent in claims.open_intents(connection)},
            self._histories.read(connection),
            self._durations.read(connection, self._clock.now() - _USUAL_OVER),
        )

    def _views(self, rows: _Rows) -> dict[str, ClaimView]:
        machines: dict[str | None, list[Machine]] = defaultdict(list)
        for machine in self._seen.world.machines if self._seen.world else ():
            machines[machine.claim].append(machine)
        return {
            claim.name: view(
                claim,
                machines[claim.name],
                rows.histories.get(claim.name, ()),
                asked=claim.name in rows.intents,
                credit=self._seen.credit_of(claim),
                session=self._seen.session_of(claim),
            )
            for claim in rows.claims
        }

    def _tell(self, event: Event) -> None:
        self.number += 1
        event["number"] = self.number
        for queue in self._followers:
            queue.put_nowait(event)


def view(
    claim: Claim,
    machines: list[Machine],
    history: tuple[Progress, ...],
    *,
    asked: bool,
    credit: CreditView | None = None,
    session: SessionView | None = None,
) -> ClaimView:
    """The view of one claim. `asked` means that a request for a machine has not been answered.

    `billed` errs on the side of yes: a named machine that no listing has shown yet may well run.
    """
    machine = next((one for one in machines if one.id == claim.machine_id), None)
    up = claim.desired is Desired.RUNNING and claim.up_at is not None
    address = machine.address if machine else None
    return ClaimView(
        name=claim.name,
        owner=claim.owner,
        specification=claim.specification,
        desired=claim.desired,
        generation=claim.generation,
        desired_at=claim.desired_at,
        billed=asked
        or any(one.power not in SETTLED for one in machines)
        or (claim.machine_id is not None and machine is None),
        reason=claim.reason,
        because=claim.because,
        start_by=claim.start_by,
        stage=_stage(claim, history),
        url=f"http://{address}:{claim.port}" if up and address else None,
        power=machine.power if machine else None,
        size=machine.placement.size if machine else None,
        zone=machine.placement.zone if machine else None,
        history=history,
        credit=credit,
        session=session,
    )


def _stage(claim: Claim, history: tuple[Progress, ...]) -> Stage | None:
    if claim.desired is not Desired.RUNNING:
        return None
    if claim.up_at:
        return Stage.READY
    return history[-1].stage if history else Stage.CAPACITY


def _all_known(world: World, views: Container[str]) -> bool:
    """Whether no listed machine is still to be adopted: its claim is not known, and soon will be.

    After the database was lost, a server without a claim may well be running. If the hub heard that
    there is no such claim, it would drop the server.
    """
    return all(
        one.claim in views
        for one in world.machines
        if one.claim and one.owner_id and one.power is not Power.DELETING
    )


def size_cards(
    offerings: tuple[Offering, ...], durations: Mapping[str, list[float]]
) -> list[SizeCard]:
    """One card a size: its cheapest zone's price, and free when any zone is."""
    zones: dict[str, list[Offering]] = defaultdict(list)
    for offering in offerings:
        zones[offering.placement.size].append(offering)
    return [
        SizeCard(
            size=size,
            vcpus=some[0].vcpus,
            memory_mib=some[0].memory_mib,
            gpu=some[0].gpu,
            gpus=some[0].gpus,
            gpu_memory_mib=some[0].gpu_memory_mib,
            price_micros=min(one.price_micros for one in some),
            currency=some[0].currency,
            available=any(one.available for one in some),
            usual_start_seconds=round(statistics.median(durations[size]))
            if durations.get(size)
            else None,
        )
        for size, some in zones.items()
    ]

"""Keeps the books: after each complete listing, whatever costs money is metered.

It follows the listings in a task of its own. So a slow or broken database neither holds up nor
ends a pass that stops machines; what could not be written is written after the next listing, from
the cloud's own times.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import TypeVar

from sqlalchemy import Connection

from gpuspawner.clock import Clock
from gpuspawner.errors import ControllerUnavailable
from gpuspawner.language import Sentence, _, say
from gpuspawner.model import World
from gpuspawner.policy import payers
from gpuspawner.policy.billed import Use, over
from gpuspawner.policy.metering import changes
from gpuspawner.policy.metering_changes import (
    Absolve,
    Books,
    Change,
    Metering,
    Missed,
    Note,
    Open,
    Witness,
)
from gpuspawner.policy.money import seconds_of
from gpuspawner.policy.payers import MeteringPolicy
from gpuspawner.policy.steps import Known, Run
from gpuspawner.store import ledger, metering, metering_follow, metering_prices, metering_writes
from gpuspawner.store.database import Database, nothing_to_plan
from gpuspawner.store.ledger.records import Settled
from gpuspawner.store.seen import Seen

_log = logging.getLogger(__name__)

_T = TypeVar("_T")

_CHANGES, _TOGETHER, _METERS = 20, 250, 500
"""So many changes of the rare kinds, so many of those that a whole class makes, and so many meters that
are only read, in one transaction: a fraction of a second."""


@dataclass(frozen=True, slots=True)
class _Listing:
    """One complete listing, the claims as they were read after it, and when it ended."""

    world: World
    known: Known
    at: datetime


class Meter:
    """Opens, reads and closes meters. `provider` is the cloud's name in the price books.

    `charged` is told when something has been written.
    """

    def __init__(
        self,
        provider: str,
        database: Database,
        seen: Seen,
        clock: Clock,
        policy: MeteringPolicy | None = None,
        *,
        charged: Callable[[], None] = lambda: None,
    ) -> None:
        self._provider, self._database, self._seen = provider, database, seen
        self._clock, self._policy = clock, policy or MeteringPolicy()
        self._charged = charged
        self._listing: _Listing | None = None
        self._woken = asyncio.Event()
        self._witness = Witness()
        self._noted: frozenset[str] = frozenset()
        self._followed_to = 0
        self._settled_at: float | None = None
        self.accounted: Collection[Run] = frozenset()
        """The runs that are over and wholly in the books, as of the last listing that could be kept."""
        self.settled: tuple[Settled, ...] = ()
        """What the last reading came to, by meter."""

    def listed(self, world: World, known: Known, at: datetime) -> None:
        """There is a new complete listing, which ended at `at`. Returns at once."""
        self._listing = _Listing(world, known, at)
        self._woken.set()

    async def run(self) -> None:
        """Keep the books for ever. What goes wrong is logged, and tried again after the next listing."""
        while True:
            await self._woken.wait()
            await self.look()

    async def look(self) -> bool:
        """Bring the books up to the last listing. Whether that was possible."""
        self._woken.clear()
        listing, self._listing = self._listing, None
        if listing is None:
            return True
        try:
            await self._look(listing)
        except ControllerUnavailable as error:
            _log.warning("the books wait for the next listing: %s", error.detail)
        except Exception:  # noqa: BLE001 - whatever it was, the next listing says it all again
            _log.exception("keeping the books failed; they wait for the next listing")
        else:
            return True
        self._settled_at = None
        return False

    async def _look(self, listing: _Listing) -> None:
        now = seconds_of(self._clock.now())
        books, made, unpriced = await self._database.read(self._read, listing, now)
        before = self._witness
        # If it cannot be written, what this listing has shown still counts, but for what is over.
        self._witness = replace(made.witness, over=before.over)
        changes = [change for change in made.changes if _use(change) not in unpriced]
        if changes or self._is_due():
            with nothing_to_plan():
                await self._write(changes, made, now)
            self._settled_at, self._followed_to = self._clock.monotonic(), now
            self._charged()
        notes = {change.ref for change in changes if isinstance(change, Note)}
        refs = {meter.ref for meter in books.meters if meter.ref}
        self._noted = frozenset(notes | (refs & {*books.up}))
        missed = {(use.key, use.began) for use in unpriced}
        kept = frozenset(start for start in made.witness.over if start not in missed)
        self._witness = replace(made.witness, over=kept)
        self.accounted = made.accounted
        self._tell_unpriced(unpriced)

    def _is_due(self) -> bool:
        every = self._policy.settle_every.total_seconds()
        return self._settled_at is None or self._clock.monotonic() - self._settled_at >= every

    def _read(
        self, c: Connection, listing: _Listing, now: int
    ) -> tuple[Books, Metering, frozenset[Use]]:
        world, known = listing.world, listing.known
        people = payers.to_look_up(world, known.claims, self._policy)
        books = metering.read(c, self._noted, people)
        witness = self._reminded(c, world)
        made = changes(world, known, books, witness, listing.at, self._policy)
        wanted = frozenset(use for change in made.changes if (use := _use(change)))
        return books, made, wanted - metering_prices.priced(c, self._provider, wanted, now)

    def _reminded(self, c: Connection, world: World) -> Witness:
        """The witness, who after a restart has to be told what is over and in the books."""
        starts = {(use.key, use.began) for use, _ending in over(world)}
        forgotten = starts - {*self._witness.over}
        if not forgotten:
            return self._witness
        return replace(self._witness, over={*self._witness.over, *metering.ended(c, forgotten)})

    async def _write(self, changes: Sequence[Change], made: Metering, now: int) -> None:
        """A few at a time, since whoever else wants to write has to wait for each transaction.

        If it ends half-way, the next listing says what is left to do.
        """
        run, overdraft = self._database.run, self._policy.max_overdraft
        settled, followed = list[Settled](), self._followed_to
        for some in _batches(changes):
            done = await run(
                metering_writes.apply, some, self._provider,
                now=now, followed_to=followed, max_overdraft=overdraft,
            )  # fmt: skip
            settled += done.settled
            followed = done.followed_to
        while await run(
            metering_follow.follow_prices, now=now, followed_to=followed, max_overdraft=overdraft,
            at_most=_TOGETHER,
        ):  # fmt: skip
            pass
        shown = {*made.seen, *(change.use.key for change in changes if isinstance(change, Open))}
        meters = await self._database.read(metering_follow.meters_of, shown)
        for some_meters in _portions(meters, _METERS):
            settled += await run(
                ledger.settle_all, made.until,
                now=now, meters=some_meters, max_overdraft=overdraft,
            )  # fmt: skip
        self._tell_settled(settled)

    def _tell_settled(self, settled: Sequence[Settled]) -> None:
        self.settled = tuple(settled)
        # Where nothing is stopped for it, it is what happens to everybody whose credit has ended.
        level = logging.ERROR if self._policy.enforced else logging.INFO
        for one in settled:
            if one.written_off:
                _log.log(
                    level, "%s of %s: %d micros are written off, the credit of its payer had ended",
                    one.meter.component.value, one.meter.resource, one.written_off,
                )  # fmt: skip

    def _tell_unpriced(self, uses: Iterable[Use]) -> None:
        """Say it once of each kind of thing, when it begins."""
        kinds = sorted({(use.region, use.sku) for use in uses})
        told = tuple(_unpriced(region, sku) for region, sku in kinds)
        for sentence in told:
            if sentence not in self._seen.unpriced:
                _log.warning("%s", sentence)
        self._seen.unpriced = told


def _portions(some: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    return (some[at : at + size] for at in range(0, len(some), size))


def _batches(changes: Iterable[Change]) -> Iterator[Sequence[Change]]:
    """The changes in their order, in portions that are a transaction each."""
    for alone, some in groupby(changes, lambda one: isinstance(one, Absolve | Missed)):
        yield from _portions(list(some), _CHANGES if alone else _TOGETHER)


def _use(change: Change) -> Use | None:
    """What a change would begin to meter, and so needs a price."""
    return change.use if isinstance(change, Open | Missed) else None


def _unpriced(region: str, sku: str) -> Sentence:
    return say(
        _(
            "The price of “{what}” in {region} is not known, so it is not charged yet. Add its price: "
            "it is then charged from its beginning."
        ),
        what=sku,
        region=region,
    )

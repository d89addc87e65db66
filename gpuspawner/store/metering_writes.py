"""Makes the changes of `policy.metering` in the ledger. Everything here may be repeated."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from sqlalchemy import Connection, select

from gpuspawner.policy.billed import Key, Use
from gpuspawner.policy.metering_changes import (
    STOPPED,
    VANISHED,
    Absolve,
    Change,
    Close,
    Missed,
    Note,
    Open,
    Release,
    Running,
    Switch,
)
from gpuspawner.policy.money import Component
from gpuspawner.policy.money_errors import PriceUnknown
from gpuspawner.store import ledger
from gpuspawner.store.ledger import schema, usage
from gpuspawner.store.ledger.meters import continue_meter
from gpuspawner.store.ledger.prices import effect_of, newer_prices
from gpuspawner.store.ledger.records import AccountKind, Meter, Settled
from gpuspawner.store.ledger.rows import portions
from gpuspawner.store.ledger.sightings import Sighting, Source, saw
from gpuspawner.store.metering import UP
from gpuspawner.store.metering_payers import Wallets
from gpuspawner.store.metering_prices import backdate, priced, sku_of


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: what was read, what has no price yet, and up to when prices are followed."""

    settled: tuple[Settled, ...] = ()
    unpriced: frozenset[Use] = field(default_factory=frozenset)
    followed_to: int = 0


def apply(
    c: Connection,
    changes: Sequence[Change],
    provider: str,
    *,
    now: int,
    followed_to: int = 0,
    max_overdraft: int = 0,
) -> Outcome:
    """Make some of the changes of a pass, in their order. What has no price is left out and named.

    `now` is the time of writing, in UTC seconds; up to `followed_to` all meters follow the prices.
    A few at a time: whoever else wants to write waits for this transaction.
    """
    pen = _Pen(c, provider, now, followed_to, max_overdraft)
    return pen.write(changes)


def follow_prices(
    c: Connection, *, now: int, followed_to: int = 0, max_overdraft: int = 0
) -> Outcome:
    """Let every meter go on at the prices that have changed since `followed_to`."""
    pen = _Pen(c, "", now, followed_to, max_overdraft)
    return pen.write((), until=now)


def meters_of(c: Connection, keys: Collection[Key]) -> list[int]:
    """The open meters of these things, by number."""
    table = usage.meters
    query = (
        select(table.c.id, table.c.resource, table.c.component)
        .where(table.c.closed_at.is_(None), table.c.course == ledger.course(c).id)
        .order_by(table.c.id)
    )
    wanted = set(keys)
    return [
        row.id for row in c.execute(query) if (row.resource, Component(row.component)) in wanted
    ]


class _Pen:
    def __init__(
        self, c: Connection, provider: str, now: int, followed_to: int, max_overdraft: int
    ) -> None:
        self._c, self._provider, self._now, self._overdraft = c, provider, now, max_overdraft
        self._course = ledger.course(c).id
        self._pool = ledger.course_account(c, self._course, AccountKind.POOL).id
        # A price may have been written in that very second, after it.
        self._followed = followed_to - 1
        self._effects: list[int] = []
        self._settled: list[Settled] = []
        self._wallets = Wallets(c, self._course, self._pool, now)

    def write(self, changes: Sequence[Change], until: int | None = None) -> Outcome:
        begun = [change.use for change in changes if isinstance(change, Open | Missed)]
        unpriced = frozenset(begun) - priced(self._c, self._provider, begun, self._now)
        self._wallets.look_up(
            change.student for change in changes if isinstance(change, Open | Switch)
        )
        self._lock(changes)
        earliest = min([self._followed, *(use.since for use in begun)])
        prices = newer_prices(self._c, self._course, earliest - 1)
        self._effects = [effect_of(price) for price in prices]
        for kind, some in groupby(changes, type):
            known = [
                change
                for change in some
                if not (isinstance(change, Open | Missed) and change.use in unpriced)
            ]
            self._make(kind, known)
        if until is not None:
            self._follow_prices(until)
        return Outcome(tuple(self._settled), unpriced, self._followed + 1)

    def _make(self, kind: type[Change], changes: Sequence[Change]) -> None:
        """Several changes of one kind; of the kinds that a whole class makes at once, together."""
        if kind is Open:
            self._open([change for change in changes if isinstance(change, Open)])
        elif kind is Note:
            notes = [change for change in changes if isinstance(change, Note)]
            ledger.saw_all(
                self._c, [Sighting(note.ref, note.at, Source.HUB, UP, {}) for note in notes]
            )
        else:
            for change in changes:
                self._make_one(change)

    def _make_one(self, change: Change) -> None:
        if isinstance(change, Absolve):
            self._absolve(change)
        elif isinstance(change, Switch | Close):
            self._follow_prices(change.at)
            self._switch(change) if isinstance(change, Switch) else self._close(change)
        elif isinstance(change, Missed):
            self._missed(change)
        elif isinstance(change, Release):
            ledger.release_hold(self._c, change.ref, now=self._now)

    def _lock(self, changes: Sequence[Change]) -> None:
        """Meters first, then accounts by number: the one order in which the ledger takes locks."""
        if self._c.dialect.name == "sqlite":
            return  # it has locked the whole database already
        accounts = {self._pool}
        for change in changes:
            if isinstance(change, Open | Switch):
                accounts.add(self._wallets.of(change.student)[0])
        open_ = usage.meters.c.closed_at.is_(None)
        query = select(usage.meters.c.payer).where(open_).order_by(usage.meters.c.id)
        accounts.update(self._c.execute(query.with_for_update()).scalars())
        table = schema.accounts
        for some in portions(sorted(accounts)):
            of = select(table.c.id).where(table.c.id.in_(some)).order_by(table.c.id)
            self._c.execute(of.with_for_update()).all()

    def _open(self, changes: Sequence[Open]) -> None:
        """Open the meters, or go on with those that were closed while the thing was still there."""
        seen = list[Sighting]()
        for change, opened in zip(changes, self._opened(changes), strict=True):
            meter, use = opened, change.use
            if meter.closed_at is None:
                seen.append(_sighting(use.resource, use.component, use.since, "on", sku=use.sku))
            elif meter.close_reason != STOPPED:
                # Where the cloud has dated the end, it is the listing that is late.
                meter = self._continue(meter, self._wallets.of(change.student)[0], change.ref)
            self._followed = min(self._followed, meter.opened_at)
        ledger.saw_all(self._c, seen)

    def _opened(self, changes: Sequence[Open]) -> list[Meter]:
        openings = [self._opening(change) for change in changes]
        try:
            return ledger.begin_meters(self._c, self._course, openings)
        except PriceUnknown:
            for change in changes:
                sku = sku_of(self._provider, change.use)
                backdate(self._c, self._course, sku, change.use, now=self._now)
            return ledger.begin_meters(self._c, self._course, openings)

    def _opening(self, change: Open) -> ledger.Opening:
        use, (payer, person) = change.use, self._wallets.of(change.student)
        return ledger.Opening(
            use.resource, use.component, _start(use), payer, sku_of(self._provider, use),
            use.since, "seen", person, use.claim, use.quantity, change.ref,
        )  # fmt: skip

    def _missed(self, change: Missed) -> None:
        use = change.use
        known = ledger.meter_of(self._c, use.resource, use.component)
        if known is None or (known.closed_at is not None and not self._has(use)):
            (meter,) = self._opened([Open(use, None, None)])
        elif (
            known.closed_at is not None
            and (known.start, known.close_reason) == (_start(use), VANISHED)
            and change.reason == STOPPED
            and known.closed_at < change.at
        ):
            # It was there after all, when it was not listed, and the cloud says until when.
            meter = self._continue(known, self._pool, None)
        else:
            return
        self._followed = min(self._followed, meter.opened_at)
        self._follow_prices(change.at)
        self._end(use.resource, use.component, change.at, change.reason)

    def _has(self, use: Use) -> bool:
        """Whether this start is in the books."""
        table = usage.meters
        return (
            self._c.execute(
                select(table.c.id)
                .where(
                    table.c.resource == use.resource, table.c.component == use.component.value,
                    table.c.start == _start(use),
                )
                .limit(1)
            ).first()
            is not None
        )  # fmt: skip

    def _continue(self, meter: Meter, payer: int, hold: str | None) -> Meter:
        """Go on with a meter that was closed while the thing was still there."""
        return continue_meter(
            self._c, meter, meter.closed_at or meter.metered_to, payer=payer, hold=hold,
            quantity=meter.quantity, charge_price=meter.charge_price, cost_price=meter.cost_price,
            reason="seen again",
        )  # fmt: skip

    def _absolve(self, change: Absolve) -> None:
        """Every segment of that start which its student has paid."""
        meter, table = change.meter, usage.meters
        segments = self._c.execute(
            select(table.c.id)
            .where(
                table.c.resource == meter.resource, table.c.component == meter.component.value,
                table.c.start == meter.start, table.c.hold == change.ref,
            )
            .order_by(table.c.id)
        ).scalars()  # fmt: skip
        for segment in segments.all():
            ledger.pay_from_pool(self._c, segment, now=self._now)

    def _switch(self, change: Switch) -> None:
        meter = self._current(change.meter)
        if meter is not None:
            ledger.switch(
                self._c, meter.id, change.at, reason=change.reason, now=self._now,
                payer=self._wallets.of(change.student)[0], hold=change.ref, quantity=change.quantity,
                max_overdraft=self._overdraft,
            )  # fmt: skip

    def _close(self, change: Close) -> None:
        meter = self._current(change.meter)
        if meter is None:
            return
        if meter.payer != self._pool and change.seen_until < change.at:
            ledger.switch(
                self._c, meter.id, change.seen_until, reason="unseen", now=self._now,
                payer=self._pool, max_overdraft=self._overdraft,
            )  # fmt: skip
        self._end(meter.resource, meter.component, change.at, change.reason)

    def _end(self, resource: str, component: Component, at: int, reason: str) -> None:
        meter = ledger.meter_of(self._c, resource, component)
        if meter is None or meter.closed_at is not None:
            return
        done = ledger.close(
            self._c, meter.id, at, reason=reason, now=self._now, max_overdraft=self._overdraft
        )
        if done is not None:
            self._settled.append(done)
        saw(self._c, _sighting(resource, component, at, "off", reason=reason))

    def _current(self, meter: Running) -> Meter | None:
        """The segment that is open now; a change of price may have begun another."""
        found = ledger.meter_of(self._c, meter.resource, meter.component)
        return found if found is not None and found.closed_at is None else None

    def _follow_prices(self, until: int) -> None:
        if any(self._followed < at <= until for at in self._effects):
            ledger.follow_prices(
                self._c, course=self._course, now=until, max_overdraft=self._overdraft
            )
        self._followed = max(self._followed, until)


def _sighting(resource: str, component: Component, at: int, state: str, **raw: str) -> Sighting:
    return Sighting(resource, at, Source.CLOUD, f"{component.value} {state}", raw)


def _start(use: Use) -> str:
    return use.start or str(use.since)

"""Makes the changes of `policy.metering` in the ledger. Everything here may be repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TypeVar

from sqlalchemy import Connection, or_, select

from gpuspawner.policy.billed import Use, began_of
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
    Switch,
)
from gpuspawner.policy.money import Component
from gpuspawner.policy.money_errors import PriceUnknown
from gpuspawner.store import ledger
from gpuspawner.store.ledger import schema, usage
from gpuspawner.store.ledger.meters import Continuation, continue_meters, current_meters
from gpuspawner.store.ledger.prices import effect_of, newer_prices
from gpuspawner.store.ledger.records import AccountKind, Meter, Settled
from gpuspawner.store.ledger.rows import portions
from gpuspawner.store.ledger.sightings import Sighting, Source
from gpuspawner.store.metering import UP
from gpuspawner.store.metering_payers import Wallets
from gpuspawner.store.metering_prices import backdate, priced, sku_of

_Dated = TypeVar("_Dated", Switch, Close)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: what was read, what has no price yet, and up to when all follow the prices."""

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

    def write(self, changes: Sequence[Change]) -> Outcome:
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
        return Outcome(tuple(self._settled), unpriced, self._followed + 1)

    def _make(self, kind: type[Change], changes: Sequence[Change]) -> None:
        """Several changes of one kind; of the kinds that a whole class makes at once, together."""
        if kind is Open:
            self._open([change for change in changes if isinstance(change, Open)])
        elif kind is Close:
            self._close([change for change in changes if isinstance(change, Close)])
        elif kind is Switch:
            self._switch([change for change in changes if isinstance(change, Switch)])
        elif kind is Note:
            notes = [change for change in changes if isinstance(change, Note)]
            ledger.saw_all(
                self._c, [Sighting(note.ref, note.at, Source.HUB, UP, {}) for note in notes]
            )
        elif kind is Release:
            refs = [change.ref for change in changes if isinstance(change, Release)]
            ledger.release_holds(self._c, refs, now=self._now)
        else:
            for change in changes:
                if isinstance(change, Absolve):
                    self._absolve(change)
                elif isinstance(change, Missed):
                    self._missed(change)

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
            and (began_of(known.start, known.opened_at), known.close_reason)
            == (use.began, VANISHED)
            and change.reason == STOPPED
            and known.closed_at < change.at
        ):
            # It was there after all, when it was not listed, and the cloud says until when.
            meter = self._continue(known, self._pool, None)
        else:
            return
        self._followed = min(self._followed, meter.opened_at)
        self._follow_prices({meter.id: change.at})
        current = current_meters(self._c, [use.resource]).get(use.key)
        if current is not None:
            self._end([(current, change)])

    def _has(self, use: Use) -> bool:
        """Whether this start is in the books, of whatever size the machine was then."""
        table, began = usage.meters, str(use.began)
        return (
            self._c.execute(
                select(table.c.id)
                .where(
                    table.c.resource == use.resource, table.c.component == use.component.value,
                    or_(
                        table.c.start == began, table.c.start.startswith(f"{began}:")
                    ),
                )
                .limit(1)
            ).first()
            is not None
        )  # fmt: skip

    def _continue(self, meter: Meter, payer: int, hold: str | None) -> Meter:
        """Go on with a meter that was closed while the thing was still there."""
        again = Continuation(
            meter, meter.closed_at or meter.metered_to, payer, hold, meter.quantity,
            meter.charge_price, meter.cost_price, "seen again",
        )  # fmt: skip
        return continue_meters(self._c, [again])[0]

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

    def _switch(self, changes: Sequence[Switch]) -> None:
        switchings = [
            ledger.Switching(
                meter.id, change.at, change.reason, self._wallets.of(change.student)[0], change.ref,
                change.quantity,
            )
            for change, meter in self._current(changes)
        ]  # fmt: skip
        ledger.switch_all(self._c, switchings, now=self._now, max_overdraft=self._overdraft)

    def _close(self, changes: Sequence[Close]) -> None:
        current = self._current(changes)
        unseen = [
            (change.meter.key, ledger.Switching(meter.id, change.seen_until, "unseen", self._pool))
            for change, meter in current
            if meter.payer != self._pool and change.seen_until < change.at
        ]
        moved = ledger.switch_all(
            self._c, [one for _, one in unseen], now=self._now, max_overdraft=self._overdraft
        )
        gone_on = {key: meter for (key, _), meter in zip(unseen, moved, strict=True)}
        self._end(
            [(gone_on.get(change.meter.key, meter), change) for change, meter in current]
        )  # fmt: skip

    def _end(self, ends: Sequence[tuple[Meter, Close | Missed]]) -> None:
        closings = [ledger.Closing(meter.id, end.at, end.reason) for meter, end in ends]
        self._settled += ledger.close_all(
            self._c, closings, now=self._now, max_overdraft=self._overdraft
        )
        off = [
            _sighting(meter.resource, meter.component, end.at, "off", reason=end.reason)
            for meter, end in ends
        ]
        ledger.saw_all(self._c, off)

    def _current(self, changes: Sequence[_Dated]) -> list[tuple[_Dated, Meter]]:
        """The segment of each that is open at its time, at the prices that are valid then."""
        resources = {change.meter.resource for change in changes}
        open_ = current_meters(self._c, resources)
        until = {
            open_[change.meter.key].id: change.at for change in changes if change.meter.key in open_
        }
        if self._follow_prices(until):
            open_ = current_meters(self._c, resources)
        return [
            (change, open_[change.meter.key]) for change in changes if change.meter.key in open_
        ]

    def _follow_prices(self, until: Mapping[int, int]) -> bool:
        """Let these meters follow the prices up to then. Whether one of them may be another now."""
        last = max(until.values(), default=0)
        if not any(self._followed < at <= last for at in self._effects):
            return False
        ledger.follow_prices(
            self._c, course=self._course, now=last, until=until, max_overdraft=self._overdraft
        )
        return True


def _sighting(resource: str, component: Component, at: int, state: str, **raw: str) -> Sighting:
    return Sighting(resource, at, Source.CLOUD, f"{component.value} {state}", raw)


def _start(use: Use) -> str:
    return use.start or str(use.since)

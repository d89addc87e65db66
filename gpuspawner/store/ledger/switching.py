"""A change of price, payer or quantity: the segment is closed, and a continuation opened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, update

from gpuspawner.policy.money import Book, Component
from gpuspawner.store.ledger import purses, usage
from gpuspawner.store.ledger.accounts import course_account
from gpuspawner.store.ledger.journal import Entry, Leg, write
from gpuspawner.store.ledger.meters import (
    Continuation,
    continue_meters,
    get_meter,
    lock_meters,
    open_meters,
)
from gpuspawner.store.ledger.prices import effect_of, newer_prices, price_list
from gpuspawner.store.ledger.records import AccountKind, Kind, Meter, Price, Sku
from gpuspawner.store.ledger.reversals import give_back, paid_for
from gpuspawner.store.ledger.settling import borne_by, end_all

_What = tuple[Book, Component, Sku]
_Changes = Mapping[_What, list[Price]]


@dataclass(frozen=True, slots=True)
class Switching:
    """A meter goes on from `at` with another payer or quantity. What is None stays as it is.

    The hold stays with the payer; another payer brings their own.
    """

    meter: int
    at: int
    reason: str
    payer: int | None = None
    hold: str | None = None
    quantity: int | None = None


def switch(
    c: Connection,
    meter: int,
    at: int,
    *,
    reason: str,
    now: int,
    payer: int | None = None,
    hold: str | None = None,
    quantity: int | None = None,
    max_overdraft: int = 0,
) -> Meter:
    """As `switch_all`, of one.

    Raises:
        LookupError: there is no such meter.
        PriceUnknown: nothing was changed.
    """
    one = Switching(meter, at, reason, payer, hold, quantity)
    return switch_all(c, [one], now=now, max_overdraft=max_overdraft)[0]


def switch_all(
    c: Connection, switchings: Sequence[Switching], *, now: int, max_overdraft: int = 0
) -> list[Meter]:
    """Go on with other payers or quantities, at the prices that are valid then. One of each meter.

    The meters that go on, in the same order: the same one if nothing differs or it is closed already.
    What the first payer has paid as the minimum of the start is not charged again.

    Raises:
        LookupError: there is no such meter.
        PriceUnknown: nothing was changed.
    """
    locked = {meter.id: meter for meter in lock_meters(c, [one.meter for one in switchings])}
    missing = {one.meter for one in switchings} - locked.keys()
    if missing:
        raise LookupError(f"there is no meter {sorted(missing)}")
    prices = {
        course: price_list(
            c, course, {one.charge_price.sku for one in locked.values() if one.course == course}
        )
        for course in {one.course for one in locked.values()}
    }
    wanted = []
    for one in switchings:
        old = locked[one.meter]
        at = max(one.at, old.opened_at)
        payer = old.payer if one.payer is None else one.payer
        hold = old.hold if payer == old.payer and one.hold is None else one.hold
        # At the very beginning of a segment its own prices are those that are valid.
        charged, cost = (
            prices[old.course].at(book, old.charge_price.sku, old.component, at)
            for book in (Book.CHARGE, Book.COST)
        )
        quantity = one.quantity or old.quantity
        wanted.append(Continuation(old, at, payer, hold, quantity, charged, cost, one.reason))
    return _go_on(c, wanted, now, max_overdraft)


def follow_prices(
    c: Connection,
    *,
    course: int,
    now: int,
    until: Mapping[int, int] | None = None,
    at_most: int | None = None,
    max_overdraft: int = 0,
) -> list[Meter]:
    """Go on at the prices that have changed since the open meters began; those that do.

    A new price reaches a meter from the moment at which it is both valid and known, so no amount of
    the past changes, and it makes no difference how late this is called. Call it before you settle
    or close. `until` says up to when, by number of meter, and that it is about these meters only. No
    more than `at_most` go on: call it again until it is fewer.
    """
    meters = open_meters(c, course=course) if until is None else lock_meters(c, list(until))
    meters = [meter for meter in meters if meter.closed_at is None]
    if not meters:
        return []
    changes: dict[_What, list[Price]] = defaultdict(list)
    for price in newer_prices(c, course, min(meter.opened_at for meter in meters)):
        changes[price.book, price.component, price.sku].append(price)
    waiting = [
        (meter, steps)
        for meter in meters
        if (steps := _changes_of(meter, changes, (until or {}).get(meter.id, now)))
    ][:at_most]
    found = []
    while waiting:
        locked = {meter.id: meter for meter in lock_meters(c, [one.id for one, _ in waiting])}
        wanted = [_at_prices(locked[meter.id], *steps[0]) for meter, steps in waiting]
        gone_on = _go_on(c, wanted, now, max_overdraft)
        later = [(meter, steps[1:]) for meter, (_, steps) in zip(gone_on, waiting, strict=True)]
        found += [meter for meter, steps in later if not steps]
        waiting = [(meter, steps) for meter, steps in later if steps]
    return found


def pay_from_pool(c: Connection, meter: int, *, now: int) -> Meter:
    """Let the course's pool pay for the meter from its very beginning: for a start that failed, say.

    What it has charged so far is given back to where it came from and taken from the pool, in both
    books; a closed meter stays closed. Its continuations are meters of their own. May be repeated.

    Raises:
        LookupError: there is no such meter.
    """
    locked = lock_meters(c, [meter])
    if not locked:
        raise LookupError(f"there is no meter {meter}")
    old = locked[0]
    pool = course_account(c, old.course, AccountKind.POOL).id
    if old.payer == pool:
        return old
    wallets = purses.load(c, {old.payer, pool}, spent_lots=True)
    legs, given = give_back(old.charged, paid_for(c, old.id, old.payer), wallets)
    if given:
        legs += wallets[pool].take(given, None)
    if old.cost:
        borne = borne_by(c, wallets.values())
        legs += [Leg(borne[old.payer], -old.cost), Leg(borne[pool], old.cost)]
    if legs:
        entry = Entry(
            old.course, f"transfer:{old.id}", Kind.TRANSFER, now, legs,
            effective_at=old.metered_to, meter=old.id,
        )  # fmt: skip
        write(c, [entry])
    purses.save(c, wallets.values())
    changed = update(usage.meters).where(usage.meters.c.id == old.id)
    c.execute(changed.values(payer=pool, hold=None))
    return get_meter(c, old.id)


def _changes_of(meter: Meter, changes: _Changes, until: int) -> list[tuple[int, dict[Book, Price]]]:
    """When which prices reach the meter, in order; of several at once the one that stays."""
    at: dict[int, dict[Book, Price]] = defaultdict(dict)
    for own in (meter.charge_price, meter.cost_price):
        newest = own
        for price in changes.get((own.book, own.component, own.sku), ()):
            # They come by effect. One that is overtaken by what is valid already reaches nobody.
            newer = (price.valid_from, price.id) > (newest.valid_from, newest.id)
            if newer and effect_of(price) <= until:
                at[max(effect_of(price), meter.opened_at)][own.book] = newest = price
    return sorted(at.items())


def _at_prices(meter: Meter, at: int, prices: Mapping[Book, Price]) -> Continuation:
    return Continuation(
        meter, at, meter.payer, meter.hold, meter.quantity,
        prices.get(Book.CHARGE, meter.charge_price), prices.get(Book.COST, meter.cost_price),
        "price",
    )  # fmt: skip


def _go_on(
    c: Connection, wanted: Sequence[Continuation], now: int, max_overdraft: int
) -> list[Meter]:
    """End the meters, which are locked, and go on with those that differ."""
    new = [one for one in wanted if one.meter.closed_at is None and _differs(one)]
    payers = {one.meter.payer for one in new} | {one.payer for one in new}
    wallets = purses.load(c, payers, spent_lots=True)
    ends = [(one.meter, one.at, one.reason) for one in new]
    end_all(c, ends, wallets, now=now, max_overdraft=max_overdraft)
    made = {meter.continues: meter for meter in continue_meters(c, new)}
    return [made.get(one.meter.id, one.meter) for one in wanted]


def _differs(one: Continuation) -> bool:
    meter = one.meter
    before = (meter.payer, meter.hold, meter.quantity, meter.charge_price.id, meter.cost_price.id)
    return before != (
        one.payer, one.hold, one.quantity, one.charge_price.id, one.cost_price.id
    )  # fmt: skip

"""A change of price, payer or quantity: the segment is closed, and a continuation opened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from sqlalchemy import Connection, update

from gpuspawner.policy.money import Book, Component
from gpuspawner.store.ledger import purses, usage
from gpuspawner.store.ledger.accounts import course_account
from gpuspawner.store.ledger.journal import Entry, Leg, write
from gpuspawner.store.ledger.meters import continue_meter, get_meter, lock_meters, open_meters
from gpuspawner.store.ledger.prices import effect_of, newer_prices, price_at
from gpuspawner.store.ledger.records import AccountKind, Kind, Meter, Price, Sku
from gpuspawner.store.ledger.reversals import give_back, paid_for
from gpuspawner.store.ledger.settling import borne_by, end

_What = tuple[Book, Component, Sku]


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
    """Go on from `at` with another payer or quantity, at the prices that are valid at `at`.

    The meter that goes on: the same one if nothing differs or it is closed already. The hold
    stays with the payer; another payer brings their own. What the first payer has paid as the
    minimum of the start is not charged again.

    Raises:
        LookupError: there is no such meter.
        PriceUnknown: nothing was changed.
    """
    old = get_meter(c, meter)
    (locked,) = lock_meters(c, [meter])
    at = max(at, locked.opened_at)
    new_payer = locked.payer if payer is None else payer
    # At the very beginning of a segment its own prices are those that are valid.
    charged, cost = (
        price_at(c, old.course, book, old.charge_price.sku, old.component, at)
        for book in (Book.CHARGE, Book.COST)
    )
    return _switch(
        c, locked, at, payer=new_payer, hold=hold, quantity=quantity or locked.quantity,
        charge_price=charged, cost_price=cost, reason=reason, now=now, max_overdraft=max_overdraft,
    )  # fmt: skip


def follow_prices(c: Connection, *, course: int, now: int, max_overdraft: int = 0) -> list[Meter]:
    """Go on at the prices that have changed since the open meters began; those that do.

    A new price reaches a meter from the moment at which it is both valid and known, so no amount of
    the past changes, and it makes no difference how late this is called. Call it before you settle
    or close.
    """
    meters = open_meters(c, course=course)
    if not meters:
        return []
    changes: dict[_What, list[Price]] = defaultdict(list)
    for price in newer_prices(c, course, min(meter.opened_at for meter in meters)):
        if effect_of(price) <= now:
            changes[price.book, price.component, price.sku].append(price)
    found = []
    for meter in meters:
        current = meter
        for at, prices in _changes_of(meter, changes):
            current = _follow(c, current, at, prices, now, max_overdraft)
        if current.id != meter.id:
            found.append(current)
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


def _changes_of(
    meter: Meter, changes: Mapping[_What, list[Price]]
) -> list[tuple[int, dict[Book, Price]]]:
    """When which prices reach the meter, in order; of several at once the one that stays."""
    at: dict[int, dict[Book, Price]] = defaultdict(dict)
    for own in (meter.charge_price, meter.cost_price):
        newest = own
        for price in changes.get((own.book, own.component, own.sku), ()):
            # They come by effect. One that is overtaken by what is valid already reaches nobody.
            if (price.valid_from, price.id) > (newest.valid_from, newest.id):
                at[max(effect_of(price), meter.opened_at)][own.book] = newest = price
    return sorted(at.items())


def _follow(
    c: Connection, meter: Meter, at: int, prices: dict[Book, Price], now: int, max_overdraft: int
) -> Meter:
    (locked,) = lock_meters(c, [meter.id])
    return _switch(
        c, locked, at, payer=locked.payer, hold=locked.hold, quantity=locked.quantity,
        charge_price=prices.get(Book.CHARGE, locked.charge_price),
        cost_price=prices.get(Book.COST, locked.cost_price),
        reason="price", now=now, max_overdraft=max_overdraft,
    )  # fmt: skip


def _switch(
    c: Connection, meter: Meter, at: int, *, payer: int, hold: str | None, quantity: int,
    charge_price: Price, cost_price: Price, reason: str, now: int, max_overdraft: int,
) -> Meter:  # fmt: skip
    kept_hold = meter.hold if payer == meter.payer and hold is None else hold
    before = (meter.payer, meter.hold, meter.quantity, meter.charge_price.id, meter.cost_price.id)
    after = (payer, kept_hold, quantity, charge_price.id, cost_price.id)
    if meter.closed_at is not None or before == after:
        return meter
    wallets = purses.load(c, {meter.payer, payer}, spent_lots=True)
    end(c, meter, at, wallets, reason=reason, now=now, max_overdraft=max_overdraft)
    return continue_meter(
        c, meter, at, payer=payer, hold=kept_hold, quantity=quantity, charge_price=charge_price,
        cost_price=cost_price, reason=reason,
    )  # fmt: skip

"""What the hub's own pages show of a user: balance, how far it goes, and what the last session cost."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select

from gpuspawner.model import Owner
from gpuspawner.policy.credit import lasts
from gpuspawner.policy.credit_rules import CreditRules
from gpuspawner.policy.money import Book, Component, Rate, seconds_of
from gpuspawner.store import allowance, ledger
from gpuspawner.store.ledger import usage
from gpuspawner.store.ledger.records import Account
from gpuspawner.store.ledger.standing import Standing
from gpuspawner.web.credit import reads, replies
from gpuspawner.web.credit.bodies import CreditQuery
from gpuspawner.web.services import Services


def credit(c: Connection, query: CreditQuery, services: Services) -> replies.HubCredit:
    """Everything about one user. Who is new is known from now on, so that two who had a name stay two.

    In a class with credit they are given theirs: nobody should be told before the first start that
    they have nothing.
    """
    now = seconds_of(services.clock.now())
    course, given = ledger.course(c), services.credit
    rules = given.rules
    account: Account | None
    if given.enforce:
        owner = Owner(query.user_id, query.user_name, "")
        account = allowance.student(c, owner, given.student_credit, now)
    else:
        person = ledger.person_for(c, query.user_id, query.user_name, now=now)
        account = ledger.find_account(c, course.id, person.id)
    standing = ledger.standing(c, account.id, now) if account else None
    claims = {
        view.name for view in services.board.views.values() if view.owner.user_id == query.user_id
    }
    return replies.HubCredit(
        unit=course.unit,
        shown=services.shown_to_students,
        balance=standing.balance if standing else 0,
        available=standing.available if standing else 0,
        live=standing.live if standing else 0,
        per_hour=sum(rate.per_hour() for rate in standing.rates) if standing else 0,
        runs_for_seconds=reads.lasts(standing, rules),
        sizes=sizes(c, course.id, services.provider.name, standing, rules, now),
        sessions={claim: one for claim in sorted(claims) if (one := last_session(c, claim))},
    )


def sizes(
    c: Connection,
    course: int,
    provider: str,
    standing: Standing | None,
    rules: CreditRules,
    now: int,
) -> dict[str, replies.HubSize]:
    """What each size costs the student, and for how long their credit lasts with it switched on.

    Where regions differ, the dearest counts: nothing is promised that another region would break.
    What is on already goes on costing.
    """
    dearest: dict[str, Rate] = {}
    for price in ledger.current_prices(c, course, now):
        if (price.book, price.component) != (Book.CHARGE, Component.COMPUTE):
            continue
        if price.sku.provider != provider:
            continue
        known = dearest.get(price.sku.sku)
        if known is None or price.rate.per_hour() > known.per_hour():
            dearest[price.sku.sku] = price.rate
    has = max(0, standing.available) if standing else 0
    others = [rate.continued() for rate in standing.rates] if standing else []
    return {
        size: replies.HubSize(
            per_hour=rate.per_hour(), runs_for_seconds=lasts(has, rules, rate, *others)
        )
        for size, rate in dearest.items()
    }


def last_session(c: Connection, claim: str) -> replies.HubSession | None:
    """The last time a claim's machine was switched on: what computing came to, whoever paid."""
    table = usage.meters
    computing = (table.c.claim == claim, table.c.component == Component.COMPUTE.value)
    last: Any = c.execute(
        select(table.c.resource, table.c.start)
        .where(*computing)
        .order_by(table.c.opened_at.desc(), table.c.id.desc())
        .limit(1)
    ).first()
    if last is None:
        return None
    row: Any = c.execute(
        select(
            func.min(table.c.opened_at).label("since"),
            func.max(table.c.metered_to).label("read_to"),
            func.max(table.c.closed_at).label("closed_at"),
            func.sum(table.c.charged).label("charged"),
            func.count().label("segments"),
            func.count(table.c.closed_at).label("closed"),
        ).where(*computing, table.c.resource == last.resource, table.c.start == last.start)
    ).one()
    over = row.segments == row.closed
    until = int(row.closed_at if over else row.read_to)
    return replies.HubSession(
        started_at=reads.iso(int(row.since)),
        stopped_at=reads.iso(until) if over else None,
        seconds=until - int(row.since),
        charged=int(row.charged),
    )

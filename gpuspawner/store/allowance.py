"""What the configuration gives: the pool its credit, each student theirs; and what a day has used."""

from __future__ import annotations

import logging
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from gpuspawner.model import Owner
from gpuspawner.policy.admission import Today
from gpuspawner.policy.money import Book, moment_of
from gpuspawner.policy.money_errors import InsufficientCredit
from gpuspawner.settings.credit import CreditRecord
from gpuspawner.store import ledger
from gpuspawner.store.columns import plain
from gpuspawner.store.ledger import schema
from gpuspawner.store.ledger.credit import request_key
from gpuspawner.store.ledger.records import CONTROLLER, Account, AccountKind, Actor, Course, Role

_log = logging.getLogger(__name__)

_COURSE = "settings:course-credit:"
_STUDENT = "settings:student-credit:"
CONFIGURATION = Actor(Role.ADMIN)
"""Whoever may write the configuration file is an admin."""


def set_up(c: Connection, record: CreditRecord, now: int) -> None:
    """Let the ledger follow the configuration. May be repeated, and is at each start.

    What a lowered number would take back is not taken back, and the log says so.
    """
    course = ledger.course(c)
    ledger.configure_course(
        c, course.slug, unit=course.unit, cost_unit=course.cost_unit, timezone=record.timezone
    )
    brought = fund_course(c, record.course_credit, now)
    if record.course_credit and brought > record.course_credit:
        _log.error(
            "c.Credit.course_credit is %d micros, and %d have been brought in already: "
            "a lower number takes nothing back", record.course_credit, brought,
        )  # fmt: skip


def fund_course(c: Connection, micros: int, now: int) -> int:
    """Bring into the pool what the configuration says and has not been brought yet.

    The answer is what the configuration has brought in altogether: more than `micros` when the
    number was lowered, and then nothing is taken back.
    """
    course = ledger.course(c)
    brought = configured_credit(c, course.id)
    if brought < micros:
        ledger.fund(
            c, course.id, micros - brought, idem=f"{_COURSE}{micros}", actor=CONFIGURATION,
            now=now, note="c.Credit.course_credit",
        )  # fmt: skip
        return micros
    return brought


def configured_credit(c: Connection, course: int) -> int:
    """What the configuration has brought into the pool so far, in micros."""
    transactions, postings = schema.transactions, schema.postings
    pool = ledger.course_account(c, course, AccountKind.POOL).id
    query = (
        select(func.coalesce(func.sum(postings.c.micros), 0))
        .join(transactions, transactions.c.id == postings.c.txn)
        .where(
            transactions.c.course == course,
            transactions.c.idem.startswith(plain(request_key(_COURSE)), autoescape=True),
            postings.c.account == pool,
        )
    )
    return int(c.execute(query).scalar_one())


def student(c: Connection, owner: Owner, micros: int, now: int) -> Account:
    """The account of a user of the hub, with what every student is given, once.

    A pool that has too little gives nothing, and gives it at the next sight, when it has more.
    """
    course = ledger.course(c)
    person = ledger.person_for(c, owner.user_id, owner.user_name, now=now)
    account = ledger.student_account(c, course.id, person.id)
    key = f"{_STUDENT}{account.id}"
    table = schema.transactions
    given = select(table.c.id).where(table.c.idem == request_key(key))
    if micros and c.execute(given).first() is None:
        try:
            ledger.grant(
                c, account.id, micros, idem=key, actor=CONTROLLER, now=now,
                note="c.Credit.student_credit",
            )  # fmt: skip
        except InsufficientCredit as error:
            _log.error("the pool is too small to give a new student their credit: %s", error)
    return account


def day_start(now: int, zone: str) -> int:
    """When the day began that `now` is in, in UTC seconds."""
    local = moment_of(now).astimezone(ZoneInfo(zone))
    midnight = datetime(local.year, local.month, local.day, tzinfo=ZoneInfo(zone))
    return int(midnight.astimezone(timezone.utc).timestamp())


def today(c: Connection, course: Course, account: int | None, now: int) -> Today:
    """What was charged since midnight, and what has been used since it was charged last.

    A charge counts on the day on which it is written, five minutes after the use at most. `hub`
    is of all courses.
    """
    since = day_start(now, course.timezone)
    transactions, postings, accounts = schema.transactions, schema.postings, schema.accounts
    used = transactions.c.kind.in_(("charge", "correction", "transfer"))
    query = (
        select(
            postings.c.account, accounts.c.course, accounts.c.kind, func.sum(postings.c.micros)
        )
        .join(transactions, transactions.c.id == postings.c.txn)
        .join(accounts, accounts.c.id == postings.c.account)
        .where(
            transactions.c.at >= since, used,
            (postings.c.account == (account or 0)) | accounts.c.kind.in_(("spent", "cloud")),
        )
        .group_by(postings.c.account, accounts.c.course, accounts.c.kind)
    )  # fmt: skip
    mine = ours = hub = 0
    for number, of, kind, micros in c.execute(query):
        if kind == "cloud":
            hub -= int(micros)
        elif kind == "spent":
            ours += int(micros) if of == course.id else 0
        elif number == account:
            mine -= int(micros)
    for meter in ledger.open_meters(c):
        until = max(now, meter.metered_to)
        charge = meter.amount(Book.CHARGE, until) - meter.charged
        hub += meter.amount(Book.COST, until) - meter.cost
        ours += charge if meter.course == course.id else 0
        mine += charge if meter.payer == account else 0
    return Today(mine, ours, hub)

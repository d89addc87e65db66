"""What the configuration gives: the pool its credit, each student theirs; and what a day has used."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
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
_USED = ("charge", "correction", "transfer")

COURSE_CREDIT, STUDENT_CREDIT = "c.Credit.course_credit", "c.Credit.student_credit"
"""What is noted as the reason of what the configuration gives."""

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
            now=now, note=COURSE_CREDIT,
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
                note=STUDENT_CREDIT,
            )  # fmt: skip
        except InsufficientCredit as error:
            _log.error("the pool is too small to give a new student their credit: %s", error)
    return account


def day_start(now: int, zone: str) -> int:
    """When the day began that `now` is in, in UTC seconds."""
    return _midnight(moment_of(now).astimezone(ZoneInfo(zone)).date(), zone)


def day_end(now: int, zone: str) -> int:
    """When the next day begins."""
    return _midnight(moment_of(now).astimezone(ZoneInfo(zone)).date() + timedelta(days=1), zone)


def _midnight(day: date, zone: str) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp())


@dataclass(frozen=True, slots=True)
class Day:
    """What has been charged since midnight, settled or not, in micros.

    `paid` is by the number of the account that pays, `course` what they paid together, both in the
    charge book; `hub` is what the cloud is owed for all courses, in the cost book.
    """

    paid: Mapping[int, int]
    course: int
    hub: int

    def of(self, account: int) -> Today:
        """As the rules are handed it."""
        return Today(self.paid.get(account, 0), self.course, self.hub)


def day(c: Connection, course: Course, now: int) -> Day:
    """What this day has used.

    A charge counts on the day on which it is written, five minutes after the use at most.
    """
    transactions, postings, accounts = schema.transactions, schema.postings, schema.accounts
    query = (
        select(
            postings.c.account, accounts.c.course, accounts.c.kind, func.sum(postings.c.micros)
        )
        .join(transactions, transactions.c.id == postings.c.txn)
        .join(accounts, accounts.c.id == postings.c.account)
        .where(
            transactions.c.at >= day_start(now, course.timezone),
            transactions.c.kind.in_(_USED),
            accounts.c.kind.in_(("student", "pool", "cloud")),
        )
        .group_by(postings.c.account, accounts.c.course, accounts.c.kind)
    )  # fmt: skip
    paid: dict[int, int] = {}
    hub = 0
    for account, of, kind, micros in c.execute(query):
        if kind == "cloud":
            hub -= int(micros)
        elif of == course.id:
            paid[account] = -int(micros)
    for meter in ledger.open_meters(c):
        until = max(now, meter.metered_to)
        hub += meter.amount(Book.COST, until) - meter.cost
        if meter.course == course.id:
            accrued = meter.amount(Book.CHARGE, until) - meter.charged
            paid[meter.payer] = paid.get(meter.payer, 0) + accrued
    return Day(paid, sum(paid.values()), hub)

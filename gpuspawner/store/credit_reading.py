"""What the rules about running machines have to know of the ledger, at one moment and in few questions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from gpuspawner.model import Claim, Desired
from gpuspawner.policy.credit import Books, Session, Wallet
from gpuspawner.policy.credit_rules import CreditRules
from gpuspawner.policy.money import Book, Component, Rate, seconds_of
from gpuspawner.policy.payers import hold_ref
from gpuspawner.store import allowance, brake, claims, graces, ledger
from gpuspawner.store.graces import Grace
from gpuspawner.store.ledger import schema, usage
from gpuspawner.store.ledger.records import AccountKind, Hold, Meter
from gpuspawner.store.ledger.rows import hold_of
from gpuspawner.store.ledger.standing import Standing


@dataclass(frozen=True, slots=True)
class Reading:
    """`books` for the rules; `day` names the day; the rest is what is to be tidied up.

    `braked`: everything is stopped, and something is still wanted all the same. `overdue`: a lot
    has expired, or a hold.
    """

    books: Books
    day: str
    braked: bool = False
    overdue: bool = False


def read(c: Connection, rules: CreditRules, now: datetime) -> Reading:
    """Everything at `now`."""
    return _Reader(c, rules, seconds_of(now)).read()


class _Reader:
    def __init__(self, c: Connection, rules: CreditRules, now: int) -> None:
        self._c, self._rules, self._now = c, rules, now
        self._course = ledger.course(c)
        self._meters = ledger.open_meters(c, course=self._course.id)
        self._holds = self._open_holds()
        self._graces = graces.last_graces(c)
        zone = self._course.timezone
        self._day = graces.day_of(allowance.day_start(now, zone))
        self._midnight = allowance.day_end(now, zone)

    def read(self) -> Reading:
        c = self._c
        running = [one for one in claims.all_claims(c) if one.desired is Desired.RUNNING]
        accounts = self._accounts()
        sessions = tuple(self._sessions(running, accounts))
        standings = {one.account.id: one for one in ledger.standings(c, self._course.id, self._now)}
        fuses = self._rules.fuses
        limited = (fuses.student, fuses.course, fuses.hub) != (None, None, None)
        used = allowance.day(c, self._course, self._now) if limited else allowance.Day({}, 0, 0)
        pool = ledger.course_account(c, self._course.id, AccountKind.POOL)
        began: dict[int, int] = {}
        for one in running:
            if one.owner.user_id in accounts:
                account, at = accounts[one.owner.user_id], seconds_of(one.desired_at)
                began[account] = min(at, began.get(account, at))
        books = Books(
            unit=self._course.unit,
            midnight=self._midnight,
            sessions=sessions,
            wallets={
                session.account: self._wallet(standings[session.account], sessions, used, began)
                for session in sessions
            },
            pool=ledger.standing(c, pool.id, self._now).available,
            course_today=used.course,
            hub_today=used.hub,
            charge=self._rates(Book.CHARGE),
            cost=self._rates(Book.COST),
        )
        return Reading(
            books,
            self._day,
            braked=bool(running) and brake.brake(c) is not None,
            overdue=self._overdue(standings),
        )

    def _sessions(self, running: list[Claim], accounts: Mapping[str, int]) -> list[Session]:
        computing = {
            meter.claim: meter for meter in self._meters if meter.component is Component.COMPUTE
        }
        found = []
        for claim in running:
            meter, account = computing.get(claim.name), accounts.get(claim.owner.user_id)
            if meter is None or account is None:
                continue
            ref = hold_ref(claim.name, claim.generation)
            hold = self._holds.get(ref)
            found.append(
                Session(
                    claim.name, claim.generation, account, meter.rate(Book.CHARGE),
                    by_student=meter.payer == account, hold=ref if hold else "",
                    held=hold.remaining if hold else 0,
                    lasting=hold is None or hold.expires_at is None,
                )
            )  # fmt: skip
        return found

    def _wallet(
        self,
        standing: Standing,
        sessions: tuple[Session, ...],
        used: allowance.Day,
        began: Mapping[int, int],
    ) -> Wallet:
        account = standing.account.id
        own = {session.hold for session in sessions if session.account == account}
        promised = sum(
            hold.remaining
            for hold in self._holds.values()
            if hold.account == account and hold.ref not in own
        )
        grace = self._graces.get(account)
        return Wallet(
            live=standing.live,
            promised=promised,
            rates=standing.rates,
            today=used.paid.get(account, 0),
            grace_used=grace is not None and grace.day == self._day,
            grace_until=self._grace_until(grace, began.get(account, 0)),
        )

    def _grace_until(self, grace: Grace | None, began: int) -> int | None:
        """When the grace of this session ends: one of an earlier session is over."""
        if grace is None or grace.began < began:
            return None
        return grace.began + round(self._rules.grace.total_seconds())

    def _rates(self, book: Book) -> tuple[Rate, ...]:
        """The rates of all that is metered, those that are alike put together."""
        together: dict[tuple[int, int, bool], int] = defaultdict(int)
        for rate in (meter.rate(book) for meter in self._of(book)):
            together[rate.num, rate.den, rate.monthly] += 1
        return tuple(
            Rate(num * many, den, 0, monthly) for (num, den, monthly), many in together.items()
        )

    def _of(self, book: Book) -> list[Meter]:
        return self._meters if book is Book.CHARGE else ledger.open_meters(self._c)

    def _accounts(self) -> dict[str, int]:
        """The students' accounts, by the hub's id of the user."""
        people, accounts = schema.people, schema.accounts
        rows = self._c.execute(
            select(people.c.hub_user_id, accounts.c.id)
            .join(accounts, accounts.c.owner == people.c.id)
            .where(
                accounts.c.course == self._course.id,
                accounts.c.kind == AccountKind.STUDENT.value,
                people.c.hub_user_id.is_not(None),
            )
        )
        return {row.hub_user_id: row.id for row in rows}

    def _open_holds(self) -> dict[str, Hold]:
        table = usage.holds
        rows = self._c.execute(select(table).where(table.c.released_at.is_(None)))
        return {row.ref: hold_of(row) for row in rows}

    def _overdue(self, standings: Mapping[int, Standing]) -> bool:
        """What a hold still promises does not expire, and so there is nothing to do about it."""
        return any(one.expired and one.balance > one.held for one in standings.values()) or any(
            hold.expires_at is not None and hold.expires_at <= self._now
            for hold in self._holds.values()
        )

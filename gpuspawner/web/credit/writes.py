"""What people do with money, each in one transaction: once, whatever is sent again under its key."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from gpuspawner.policy.money_errors import IdempotencyMismatch, NotReversible
from gpuspawner.store import ledger
from gpuspawner.store.ledger import schema
from gpuspawner.store.ledger.records import Account, AccountKind, Actor, Person
from gpuspawner.web.credit import reads, replies
from gpuspawner.web.credit.bodies import FundBody, GrantBody, ReversalBody
from gpuspawner.web.credit.viewer import Viewer


@dataclass(frozen=True, slots=True)
class Order:
    """Who wants it, under which key, and when. Two people may use the same key for two things."""

    viewer: Viewer
    key: str
    now: int

    def actor(self, c: Connection) -> Actor:
        """As the ledger knows them. The command line is an admin without a name."""
        viewer = self.viewer
        if not viewer.name:
            return Actor(viewer.role)
        return Actor(
            viewer.role, ledger.person_expected(c, viewer.name, viewer.born, now=self.now).id
        )

    def idem(self, actor: Actor) -> str:
        """The key in the ledger."""
        return f"{actor.person or actor.role.value}:{self.key}"


def grant(c: Connection, order: Order, body: GrantBody, who: reads.Who) -> replies.Made:
    """Hand credit of the pool to a student, who needs never have been here."""
    course = ledger.course(c)
    actor = order.actor(c)
    student = who.person or ledger.person_expected(c, who.name, who.born, now=order.now).id
    account = ledger.student_account(c, course.id, student)
    lot = ledger.grant(
        c, account.id, body.micros, idem=order.idem(actor), actor=actor, now=order.now,
        expires_at=body.expires, note=body.reason,
    )  # fmt: skip
    number = ledger.grant_of(c, account.id)[lot.id]
    return _made(c, number, body.reason, account, order.now)


def fund(c: Connection, order: Order, body: FundBody) -> replies.Made:
    """Bring money into the pool."""
    actor = order.actor(c)
    number = ledger.fund(
        c, ledger.course(c).id, body.micros, idem=order.idem(actor), actor=actor, now=order.now,
        note=body.reason,
    )  # fmt: skip
    return _made(c, number, body.reason, None, order.now)


def reverse(c: Connection, order: Order, body: ReversalBody) -> replies.Made:
    """Take a transaction back. Whose it is was looked at before, with `subject`."""
    actor = order.actor(c)
    account = _student_of(c, body.transaction)
    number = ledger.reverse(
        c, body.transaction, body.micros, idem=order.idem(actor), actor=actor, now=order.now,
        note=body.reason,
    )  # fmt: skip
    return _made(c, number, body.reason, account, order.now)


def subject(c: Connection, transaction: int) -> Person | None:
    """The student whom a transaction is about; None when it is about the pool only.

    Raises:
        NotReversible: there is no such transaction, which is not told from one of somebody else's.
    """
    table = schema.transactions
    if c.execute(select(table.c.kind).where(table.c.id == transaction)).first() is None:
        raise NotReversible(f"there is no transaction {transaction}")
    account = _student_of(c, transaction)
    if account is None:
        return None
    return ledger.get_person(c, account.owner or "")


def _student_of(c: Connection, transaction: int) -> Account | None:
    postings, accounts = schema.postings, schema.accounts
    row = c.execute(
        select(accounts.c.id)
        .join(postings, postings.c.account == accounts.c.id)
        .where(postings.c.txn == transaction, accounts.c.kind == AccountKind.STUDENT.value)
        .limit(1)
    ).first()
    return None if row is None else ledger.get_account(c, row.id)


def _made(
    c: Connection, number: int, reason: str, account: Account | None, now: int
) -> replies.Made:
    """The reply.

    Raises:
        IdempotencyMismatch: the key was used with another reason; nothing is written.
    """
    said = ledger.note_of(c, number)
    if said and said != reason:
        raise IdempotencyMismatch(f"transaction {number} was made for another reason")
    course = ledger.course(c)
    person = ledger.get_person(c, account.owner) if account and account.owner else None
    return replies.Made(
        transaction=number,
        unit=course.unit,
        pool=ledger.balance(c, reads.pool_account(c, course.id)),
        credit=reads.balance(ledger.standing(c, account.id, now), person) if account else None,
    )


__all__ = ["Order", "fund", "grant", "reverse", "subject"]

"""The one table with names: everything else knows a person by a random id.

So a person's names can be erased while every sum stays. What people wrote about a transaction
(`notes`) may hold a name as well, and goes with them.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, delete, func, or_, select, update

from gpuspawner.model import Desired, IntentState
from gpuspawner.names import born_of, expected_id
from gpuspawner.policy.money_errors import PersonInUse, PersonUnknown
from gpuspawner.store import schema
from gpuspawner.store.columns import plain
from gpuspawner.store.ledger import portrait, usage
from gpuspawner.store.ledger import schema as books
from gpuspawner.store.ledger.purses import load
from gpuspawner.store.ledger.records import AccountKind, Person
from gpuspawner.store.ledger.rows import person_of, portions
from gpuspawner.store.rows import insert_if_absent


def person_for(c: Connection, hub_user_id: str, name: str, *, now: int) -> Person:
    """The person who is this user of the hub, made if unknown, under the name the hub uses now.

    Who was expected, because a teacher gave them credit before their first start, is this person
    from now on.
    """
    table = books.people
    mine = table.c.hub_user_id == plain(hub_user_id)
    row = c.execute(select(table).where(mine)).one_or_none()
    if row is None:
        _expected_as(c, hub_user_id, name)
        insert_if_absent(
            c, table, id=_new_id(), hub_user_id=plain(hub_user_id), name=name, known_since=now
        )
        row = c.execute(select(table).where(mine)).one()
    found = person_of(row)
    if found.name != name:
        c.execute(update(table).where(mine).values(name=name))
        return get_person(c, found.id)
    return found


def known_people(c: Connection, hub_user_ids: Collection[str]) -> dict[str, Person]:
    """Those of these users of the hub whom the ledger knows, by the hub's id."""
    table, found = books.people, dict[str, Person]()
    for some in portions(hub_user_ids):
        query = select(table).where(table.c.hub_user_id.in_([plain(one) for one in some]))
        found |= {row.hub_user_id: person_of(row) for row in c.execute(query)}
    return found


def find_named(c: Connection, name: str) -> Person | None:
    """Whom the hub calls `name` now: of several who have had the name, the one last met."""
    table = books.people
    query = (
        select(table)
        .where(table.c.name == name)
        .order_by(table.c.known_since.desc(), table.c.id.desc())
        .limit(1)
    )
    row = c.execute(query).one_or_none()
    return person_of(row) if row else None


def find_user(c: Connection, name: str, born_at: str) -> Person | None:
    """The user of the hub of that name who was made then (`names.born`); never one before them."""
    table = books.people
    rows = c.execute(select(table).where(table.c.name == name, table.c.hub_user_id.is_not(None)))
    people = (person_of(row) for row in rows)
    return next((one for one in people if born_of(one.hub_user_id or "") == born_at), None)


def person_expected(c: Connection, name: str, born_at: str, *, now: int) -> Person:
    """As `find_user`, made if unknown: credit may be given before the first start.

    The caller has asked the hub, which says when it made the user, but not the number.
    """
    found = find_user(c, name, born_at)
    if found is not None:
        return found
    hub_user_id = plain(expected_id(name, born_at))
    insert_if_absent(
        c, books.people, id=_new_id(), hub_user_id=hub_user_id, name=name, known_since=now
    )
    mine = books.people.c.hub_user_id == hub_user_id
    return person_of(c.execute(select(books.people).where(mine)).one())


def _new_id() -> str:
    return "p-" + base64.b32encode(secrets.token_bytes(15)).decode("ascii").lower()


def _expected_as(c: Connection, hub_user_id: str, name: str) -> None:
    """Give the hub's id to the one who is expected under this name, if there is one."""
    table = books.people
    expected = plain(expected_id(name, born_of(hub_user_id)))
    c.execute(
        update(table).where(table.c.hub_user_id == expected).values(hub_user_id=plain(hub_user_id))
    )


def get_person(c: Connection, person: str) -> Person:
    """The person of that id.

    Raises:
        PersonUnknown: there is none.
    """
    table = books.people
    row = c.execute(select(table).where(table.c.id == person)).one_or_none()
    if row is None:
        raise PersonUnknown(f"nobody has the id {person!r}")
    return person_of(row)


def find_person(c: Connection, text: str) -> Person:
    """The person whose id, hub name, hub user id, student number or e-mail address is `text`.

    Raises:
        PersonUnknown: nobody is, or more than one: then an id must be given.
    """
    table = books.people
    for column in (table.c.id, table.c.name, table.c.hub_user_id, table.c.student_number,
                   table.c.email):  # fmt: skip
        rows = c.execute(select(table).where(column == text)).all()
        if len(rows) > 1:
            raise PersonUnknown(f"{text!r} is the {column.name} of {len(rows)} people")
        if rows:
            return person_of(rows[0])
    raise PersonUnknown(f"nobody is {text!r}")


def people(c: Connection, *, course: int | None = None) -> list[Person]:
    """Everybody, or everybody with an account in the course, by when they became known."""
    table = books.people
    query = select(table).order_by(table.c.known_since, table.c.id)
    if course is not None:
        accounts = books.accounts
        query = query.where(
            table.c.id.in_(
                select(accounts.c.owner).where(
                    accounts.c.course == course, accounts.c.kind == AccountKind.STUDENT.value
                )
            )
        )
    return [person_of(row) for row in c.execute(query)]


def describe_person(
    c: Connection, person: str, *, email: str | None = None, student_number: str | None = None
) -> Person:
    """Note what else is known of a person; None leaves what there is.

    Raises:
        PersonUnknown: there is none, or they have been erased.
    """
    if get_person(c, person).erased_at is not None:
        raise PersonUnknown(f"{person} has been erased")
    values = {"email": email, "student_number": student_number}
    known = {name: value for name, value in values.items() if value is not None}
    if known:
        c.execute(update(books.people).where(books.people.c.id == person).values(known))
    return get_person(c, person)


def export_person(c: Connection, person: str) -> dict[str, Any]:
    """Everything about a person, as values for JSON; amounts in micros, times in UTC seconds.

    Raises:
        PersonUnknown: there is none.
    """
    return portrait.of(c, get_person(c, person))


def erase_person(c: Connection, person: str, *, now: int) -> Person:
    """Forget who a person is; every sum stays. May be repeated.

    Names, addresses and numbers go, notes about the person's transactions, what they measured, and
    the claims with their progress; meters no longer say whose claim they were. What stays carries
    the random id only. The log of wishes stays: it holds ids of the hub, never names.

    Raises:
        PersonUnknown: there is none.
        PersonInUse: a meter or a hold is open, a machine or an attempt to make one exists, or a
            machine is wanted. A home is metered for as long as it exists, so it must be deleted
            before. Nothing was changed.
    """
    who = get_person(c, person)
    if who.erased_at is not None:
        return who
    accounts, table = books.accounts, books.people
    mine = list(
        c.execute(
            select(accounts.c.id).where(
                accounts.c.owner == person, accounts.c.kind == AccountKind.STUDENT.value
            )
        ).scalars()
    )
    load(c, mine)
    claims = _claims(c, who)
    _refuse_if_open(c, who, mine, claims)
    c.execute(
        update(table)
        .where(table.c.id == person)
        .values(hub_user_id=None, name=None, email=None, student_number=None, erased_at=now)
    )
    postings, notes = books.postings, books.notes
    touched = select(postings.c.txn).where(postings.c.account.in_(mine))
    c.execute(delete(notes).where(notes.c.txn.in_(touched)))
    c.execute(update(usage.meters).where(usage.meters.c.person == person).values(claim=None))
    c.execute(delete(schema.benchmarks).where(schema.benchmarks.c.person == person))
    for some in portions(claims):
        c.execute(delete(schema.claims).where(schema.claims.c.name.in_(some)))
        for gone in (schema.home_tokens, schema.home_grants):
            c.execute(delete(gone).where(gone.c.claim.in_(some)))
    return get_person(c, person)


def _claims(c: Connection, who: Person) -> list[str]:
    """The person's claims, locked, so that none is wished to run in the meantime."""
    table = schema.claims
    if who.hub_user_id is None:
        return []
    query = select(table.c.name).where(table.c.user_id == who.hub_user_id).order_by(table.c.name)
    return list(c.execute(query.with_for_update()).scalars())


def _refuse_if_open(c: Connection, who: Person, accounts: list[int], claims: list[str]) -> None:
    meters, holds, wishes, intents = usage.meters, usage.holds, schema.claims, schema.intents
    open_things = {
        "open meters": select(func.count()).where(
            meters.c.closed_at.is_(None),
            or_(meters.c.person == who.id, meters.c.payer.in_(accounts)),
        ),
        "open holds": select(func.count()).where(
            holds.c.account.in_(accounts), holds.c.released_at.is_(None)
        ),
        "claims with a machine, or that want one": select(func.count()).where(
            wishes.c.name.in_(claims),
            or_(wishes.c.machine_id.is_not(None), wishes.c.desired == Desired.RUNNING.value),
        ),
        "open attempts to make a machine": select(func.count()).where(
            intents.c.claim.in_(claims), intents.c.state == IntentState.OPEN.value
        ),
    }
    found = {what: c.execute(query).scalar_one() for what, query in open_things.items()}
    if any(found.values()):
        listed = ", ".join(f"{many} {what}" for what, many in found.items() if many)
        raise PersonInUse(f"{who.id} has {listed}")

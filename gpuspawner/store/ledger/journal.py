"""Writes transactions: all postings of one add up to nothing in each book, or it is not written."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from gpuspawner.policy.money import Book
from gpuspawner.policy.money_errors import IdempotencyMismatch, UnbalancedEntry
from gpuspawner.store.bulk import insert_rows, numbers_by
from gpuspawner.store.columns import plain
from gpuspawner.store.ledger import schema
from gpuspawner.store.ledger.records import CONTROLLER, Account, Actor, Kind
from gpuspawner.store.ledger.rows import portions
from gpuspawner.store.rows import insert_if_absent


@dataclass(frozen=True, slots=True)
class Leg:
    """One posting: so many micros to an account (from it, below zero), to one of its lots if any."""

    account: Account
    micros: int
    lot: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One transaction to be written. `at` is when it is written, `effective_at` what it is about.

    `idem` is the idempotency key: unique for ever. `digest` tells a repeated request from another
    one under the same key.
    """

    course: int
    idem: str
    kind: Kind
    at: int
    legs: Sequence[Leg]
    effective_at: int | None = None
    actor: Actor = CONTROLLER
    digest: str = ""
    meter: int | None = None
    reverses: int | None = None
    note: str = ""


def digest_of(*values: Any) -> str:
    """What makes two requests the same one."""
    text = json.dumps([str(value) for value in values], ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def written(c: Connection, idem: str, digest: str) -> Row[Any] | None:
    """The transaction under that key, if there is one. The accounts it is about are locked already.

    Raises:
        IdempotencyMismatch: it is another request's.
    """
    table = schema.transactions
    row = c.execute(select(table).where(table.c.idem == plain(idem))).one_or_none()
    if row is not None and row.digest != digest:
        raise IdempotencyMismatch(f"the key {idem!r} is that of transaction {row.id}")
    return row


def write(c: Connection, entries: Sequence[Entry]) -> list[int]:
    """Write transactions and their postings; the numbers of the transactions, in the same order.

    What the accounts and lots keep at hand is not touched: `purses.save` does that.

    Raises:
        IdempotencyMismatch: a key is in use. Nothing may be kept of the caller's transaction.
        UnbalancedEntry: a mistake of this package.
    """
    if not entries:
        return []
    for entry in entries:
        _check(entry)
    ids = [_insert_one(c, entries[0])] if len(entries) == 1 else _insert_all(c, entries)
    legs = [(number, leg) for number, entry in zip(ids, entries, strict=True) for leg in entry.legs]
    insert_rows(
        c,
        schema.postings,
        [
            {"txn": number, "account": leg.account.id, "lot": leg.lot, "micros": leg.micros}
            for number, leg in legs
        ],
    )
    notes = [
        {"txn": number, "text": plain(entry.note)}
        for number, entry in zip(ids, entries, strict=True)
        if entry.note
    ]
    insert_rows(c, schema.notes, notes)
    return ids


def _check(entry: Entry) -> None:
    sums: dict[Book, int] = defaultdict(int)
    for leg in entry.legs:
        sums[leg.account.kind.book] += leg.micros
        if leg.account.course != entry.course or leg.micros == 0:
            raise UnbalancedEntry(f"{leg} in {entry}")
    if not entry.legs or any(sums.values()):
        raise UnbalancedEntry(f"{dict(sums)} in {entry}")


def _insert_one(c: Connection, entry: Entry) -> int:
    # Two processes may use one key for different accounts, and so wait for different locks.
    if not insert_if_absent(c, schema.transactions, **_values(entry)):
        raise IdempotencyMismatch(f"the key {entry.idem!r} is in use")
    table = schema.transactions
    return int(c.execute(select(table.c.id).where(table.c.idem == plain(entry.idem))).scalar_one())


def _insert_all(c: Connection, entries: Sequence[Entry]) -> list[int]:
    rows = [_values(entry) for entry in entries]
    insert_rows(c, schema.transactions, rows)
    keys = [row["idem"] for row in rows]
    numbers = {
        key: number
        for some in portions(keys)
        for key, number in numbers_by(c, schema.transactions, "idem", some).items()
    }
    return [numbers[key] for key in keys]


def _values(entry: Entry) -> dict[str, Any]:
    return {
        "course": entry.course,
        "idem": plain(entry.idem),
        "digest": entry.digest,
        "kind": entry.kind.value,
        "at": entry.at,
        "effective_at": entry.at if entry.effective_at is None else entry.effective_at,
        "actor": str(entry.actor),
        "meter": entry.meter,
        "reverses": entry.reverses,
    }

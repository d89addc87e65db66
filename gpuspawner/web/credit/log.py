"""The log of what people did: with credit, as the ledger has it, and with the brake that stops everything."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence

from sqlalchemy import Connection

from gpuspawner.policy.money import seconds_of
from gpuspawner.store import brake, ledger
from gpuspawner.store.ledger.acts import Act
from gpuspawner.store.ledger.records import Person
from gpuspawner.web.credit import reads, replies
from gpuspawner.web.credit.bodies import AuditQuery


def audit(
    c: Connection, query: AuditQuery, student: str | None, sees: Callable[[Person], bool]
) -> replies.Audit:
    """A page of the log, about the person `student` or all; about a student only if `sees` lets it.

    What was done with the brake stands between the entries of the ledger that the page has, unless
    it is about one student.
    """
    course = ledger.course(c)
    everybody = {person.id: person for person in ledger.people(c)}
    names = {id_: person.name for id_, person in everybody.items()}
    found = ledger.acts(c, course.id, student=student, before=query.before, limit=query.limit)
    full = len(found) == query.limit
    entries = [
        _of_ledger(act, names)
        for act in found
        if act.student is None or sees(everybody[act.student])
    ]
    pulls = _pulls(c, query.before, found if full else (), names) if student is None else ()
    return replies.Audit(
        unit=course.unit,
        entries=list(heapq.merge(pulls, entries, key=_at, reverse=True)),
        before=found[-1].transaction if full else None,
    )


def _at(entry: replies.Entry) -> str:
    return entry.at


def _of_ledger(act: Act, names: Mapping[str, str | None]) -> replies.Entry:
    return replies.Entry(
        transaction=act.transaction,
        at=reads.iso(act.at),
        kind=act.kind.value,
        by=act.actor,
        by_name=names.get(act.actor.partition(":")[2]),
        student=act.student,
        student_name=names.get(act.student or ""),
        micros=act.micros,
        note=act.note,
        reverses=act.reverses,
        undone=act.undone,
    )


def _pulls(
    c: Connection, before: int | None, page: Sequence[Act], names: Mapping[str, str | None]
) -> Iterator[replies.Entry]:
    """Those since the last entry of a `page` that others follow, and before the page before it."""
    until = None if before is None else ledger.written_at(c, before)
    since = page[-1].at if page else None
    for pull in brake.pulls(c):
        at = seconds_of(pull.at)
        if (since is None or at >= since) and (until is None or at < until):
            yield replies.Entry(
                transaction=None,
                at=reads.iso(at),
                kind="lift" if pull.lifted else "stop",
                by=pull.actor,
                by_name=names.get(pull.actor.partition(":")[2]),
                student=None,
                student_name=None,
                micros=0,
                note=pull.why,
                reverses=None,
                undone=False,
            )

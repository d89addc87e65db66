"""Who pays for what is metered: the accounts of students, many of them found at once."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from gpuspawner.model import Owner
from gpuspawner.store import ledger


class Wallets:
    """Finds the account that pays, and the person it is of. `pool` is the course's, by number."""

    def __init__(self, c: Connection, course: int, pool: int, now: int) -> None:
        self._c, self._course, self._pool, self._now = c, course, pool, now
        self._known: dict[str, tuple[int, str | None]] = {}

    def look_up(self, students: Iterable[Owner | None]) -> None:
        """Find those with an account in two statements; `of` then asks for nobody else one by one."""
        names = {one.user_id: one.user_name for one in students if one is not None}
        people = ledger.known_people(self._c, names)
        accounts = ledger.find_accounts(self._c, self._course, {one.id for one in people.values()})
        for user_id, person in people.items():
            # Who is called otherwise by now is written down, which `of` does.
            if person.id in accounts and names[user_id] in ("", person.name):
                self._known[user_id] = (accounts[person.id].id, person.id)

    def of(self, student: Owner | None) -> tuple[int, str | None]:
        """The account that pays, and the person it is of."""
        if student is None:
            return self._pool, None
        if student.user_id not in self._known:
            self._known[student.user_id] = self._find(student)
        return self._known[student.user_id]

    def _find(self, student: Owner) -> tuple[int, str | None]:
        if student.user_name:
            who = ledger.person_for(self._c, student.user_id, student.user_name, now=self._now).id
        else:
            # The name is not known; one that is must not be overwritten with nothing.
            known = ledger.known_people(self._c, [student.user_id])
            if not known:
                return self._pool, None
            who = known[student.user_id].id
        return ledger.student_account(self._c, self._course, who).id, who

"""What all handlers for credit share: who asks, what they may see, and the key of a change."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from pydantic import BaseModel
from tornado.web import HTTPError

from gpuspawner.errors import ControllerUnavailable
from gpuspawner.names import born_of
from gpuspawner.policy.money import seconds_of
from gpuspawner.policy.money_errors import PersonUnknown
from gpuspawner.spreadsheets import Encoding, encoded
from gpuspawner.store import ledger
from gpuspawner.store.ledger.records import Person
from gpuspawner.web import schemas
from gpuspawner.web.credit import reads, writes
from gpuspawner.web.credit.errors import CreditHidden, KeyMissing
from gpuspawner.web.credit.viewer import COMMAND_LINE, Reach, Viewer, viewer_of
from gpuspawner.web.people import PersonHandler
from gpuspawner.web.people_api import PersonApiHandler

KEY_PATTERN = r"[A-Za-z0-9._:-]{1,128}"
"""What an idempotency key looks like: a UUID, or any name of one's own."""

_KEY = re.compile(KEY_PATTERN)
_Body = TypeVar("_Body", bound=BaseModel)


class CreditViewer(PersonHandler):
    """Mixed into pages and REST handlers: the viewer, and the groups that they reach."""

    @property
    def viewer(self) -> Viewer:
        """Who asks.

        Raises:
            NotAllowed: nobody that the hub knows, or a service without a user.
        """
        return viewer_of(self.current_user, self.born)

    @property
    def now(self) -> int:
        """The time, in UTC seconds."""
        return seconds_of(self.services.clock.now())

    async def members(self, reach: Reach) -> Mapping[str, frozenset[str]]:
        """The members of the groups that a scope names."""
        return await self.services.members.of(sorted(reach.groups))

    async def seen(self, student: str | None) -> reads.Who:
        """A student whom the viewer may see; the viewer without one.

        Whoever sees everybody may also name a person by the id in the ledger.

        Raises:
            PersonUnknown: nobody, or somebody else's student, which is not told apart.
            CreditHidden: their own, in a class that shows it to teachers only.
        """
        viewer = self.viewer
        name = viewer.name if student is None else student
        viewer.check_sees(name, await self.members(viewer.sees))
        if name == viewer.name and not viewer.teaches and not self.shown:
            raise CreditHidden(f"{name} is no teacher")
        if name == viewer.name:
            person = await self.services.database.read(ledger.find_user, name, viewer.born)
        else:
            person = await self._known(name, anybody=viewer.sees.everybody)
            if person is None:
                raise PersonUnknown(f"the ledger knows no such user as {name!r}")
        return reads.Who(person.name or name if person else name, person.id if person else None)

    async def _known(self, name: str, *, anybody: bool) -> Person | None:
        """The ledger's person who is the hub's user of that name now.

        With `anybody` also one whom the hub has forgotten, or the id of a person.

        Raises:
            PersonUnknown, ControllerUnavailable: as `Members.born`, without `anybody`.
        """
        database = self.services.database
        try:
            born = await self.services.members.born(name)
        except (PersonUnknown, ControllerUnavailable):
            if not anybody:
                raise
            return await database.read(reads.anybody, name)
        return await database.read(ledger.find_user, name, born)

    async def sight(self) -> Callable[[Person], bool]:
        """Whom the viewer may see, as a question about one person of the ledger."""
        viewer = self.viewer
        if viewer.sees.everybody:
            return lambda _person: True
        members, users = await self.members(viewer.sees), await self.services.members.users()

        def sees(person: Person) -> bool:
            name, known_by = person.name or "", person.hub_user_id or ""
            return users.get(name) == born_of(known_by) and viewer.sees.includes(name, members)

        return sees

    @property
    def shown(self) -> bool:
        """Whether students see their own credit in this class."""
        return self.services.shown_to_students

    async def may_grant(self, student: str) -> reads.Who:
        """Let through who may give credit to that user of the hub, and say who that is.

        Raises:
            NotAllowed, PersonUnknown: they may not, or there is no such user.
            ControllerUnavailable: the hub does not say whether there is.
        """
        viewer = self.viewer
        viewer.check_grants(student, await self.members(viewer.grants | viewer.sees))
        try:
            return reads.Who(student, None, await self.services.members.born(student))
        except (PersonUnknown, ControllerUnavailable):
            found = await self.services.database.read(reads.anybody, student)
            if found is None or not viewer.grants.everybody:
                raise
            return reads.Who(student, found.id)

    async def may_reverse(self, transaction: int) -> None:
        """Let through who may take that transaction back.

        Raises:
            NotAllowed, PersonUnknown, NotReversible: they may not, or there is none.
        """
        viewer = self.viewer
        if viewer.admin:
            return
        if not viewer.grants:
            viewer.check_grants("", {})
        student = await self.services.database.read(writes.subject, transaction)
        if student is not None:
            if not (await self.sight())(student):
                raise PersonUnknown(f"{viewer.name} may not see {student.id}")
            viewer.check_grants(student.name or "", await self.members(viewer.grants | viewer.sees))
        elif not viewer.grants.everybody:
            viewer.check_admin()


class CreditHandler(CreditViewer, PersonApiHandler):
    """JSON for people, and for the command line with the token of the secret file."""

    async def prepare(self) -> None:
        """Ask the hub who this is, unless it is the command line."""
        if not self.by_command_line:
            await super().prepare()
            if self.current_user is None:
                raise HTTPError(403)

    @property
    def by_command_line(self) -> bool:
        """Whether the request shows the token that derives from the secret file."""
        wanted = self.services.identity.claims_token
        return hmac.compare_digest(self.bearer().encode(), wanted.encode())

    @property
    def viewer(self) -> Viewer:
        """Who asks."""
        return COMMAND_LINE if self.by_command_line else super().viewer

    def order(self) -> writes.Order:
        """Who wants a change, and the key that makes it one.

        Raises:
            KeyMissing: there is no usable key.
        """
        key = self.request.headers.get("Idempotency-Key", "")
        if not _KEY.fullmatch(key):
            raise KeyMissing(f"{len(key)} characters are no key")
        return writes.Order(self.viewer, key, self.now)

    def query(self, kind: type[_Body]) -> _Body:
        """What is asked for in the URL, checked.

        Raises:
            SpecificationRefused: a value is impossible, or is given twice.
        """
        return schemas.parse_query(kind, self.request.query_arguments)

    def send_csv(self, text: str, name: str, encoding: Encoding) -> None:
        """Answer with a file for a spreadsheet."""
        self.set_header("Content-Type", f"text/csv; charset={encoding}")
        self.set_header("Content-Disposition", f'attachment; filename="{name}.csv"')
        self.finish(encoded(text, encoding))

    def answer(self, model: BaseModel, status: int = 200) -> None:
        """Answer with a reply."""
        self.reply(model.model_dump(), status)

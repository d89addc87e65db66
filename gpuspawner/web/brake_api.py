"""Stop everything: for admins, in a browser, from a program, or from the command line on the hub's host."""

from __future__ import annotations

import hmac
from typing import Any

from sqlalchemy import Connection
from tornado.web import HTTPError

from gpuspawner.errors import NotAllowed
from gpuspawner.model import Desired
from gpuspawner.store import brake, ledger
from gpuspawner.web.handler import ApiHandler
from gpuspawner.web.people import Person, PersonHandler
from gpuspawner.web.schemas import BrakeBody

_CONSOLE = "console"


class StopEverythingHandler(PersonHandler, ApiHandler):
    """`stop-everything`: whether it is in force and what runs; stop it all, or lift that."""

    async def prepare(self) -> None:
        """The secret file's own token, or an admin of the hub's."""
        if not self._is_console():
            await super().prepare()
            if self.current_user is None:
                raise HTTPError(403)
            if not self.person.admin:
                raise NotAllowed("only an admin stops everything")

    def check_xsrf_cookie(self) -> None:
        """Needed with a cookie, not with a token."""
        if not self._is_console():
            PersonHandler.check_xsrf_cookie(self)

    def get_login_url(self) -> str:
        """A program is not sent to a login page."""
        raise HTTPError(403)

    async def get(self) -> None:
        """What is in force, and which claims want to run."""
        found = await self.services.database.read(brake.brake)
        self.reply(self._state(found))

    async def post(self) -> None:
        """Stop everything and start nothing more; with `lift`, let machines be started again."""
        body = self.parse(BrakeBody)
        database, now = self.services.database, self.services.clock.now()
        actor = await database.read(_actor, None if self._is_console() else self.person)
        write = brake.lift if body.lift else brake.stop_everything
        done = await database.run(write, body.reason, now, actor=actor)
        await self.services.board.refresh()
        found = await database.read(brake.brake)
        stopped = len(done) if isinstance(done, list) else 0
        self.reply({**self._state(found), "stopped": stopped})

    def _state(self, found: brake.Brake | None) -> dict[str, Any]:
        force = (
            {"at": found.at.isoformat(), "actor": found.actor, "reason": found.why}
            if found
            else None
        )
        running = [
            view for view in self.services.board.views.values() if view.desired is Desired.RUNNING
        ]
        return {
            "in_force": force,
            "running": [
                {"name": view.name, "user": view.owner.user_name, "server": view.owner.server_name,
                 "size": view.size, "power": view.power.value if view.power else None}
                for view in running
            ],
        }  # fmt: skip

    def _is_console(self) -> bool:
        wanted = self.services.identity.claims_token
        return hmac.compare_digest(self.bearer().encode(), wanted.encode())


def _actor(connection: Connection, who: Person | None) -> str:
    """A role, and the person's random id where the ledger knows them: never a name."""
    if who is None:
        return _CONSOLE
    known = ledger.find_user(connection, who.name, who.born)
    return f"admin:{known.id}" if known else "admin"

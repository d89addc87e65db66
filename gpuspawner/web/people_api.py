"""REST for people and their programs: their own machines, with their own hub token."""

from __future__ import annotations

from tornado.web import HTTPError, authenticated

from gpuspawner.model import Reason
from gpuspawner.store import claims
from gpuspawner.web.handler import ApiHandler
from gpuspawner.web.people import PersonHandler
from gpuspawner.web.schemas import StopBody


class PersonApiHandler(PersonHandler, ApiHandler):
    """JSON for people: no redirect to a login page, 403 instead; and XSRF is checked for cookies."""

    def check_xsrf_cookie(self) -> None:
        """The hub's check: needed with a cookie, not with a token."""
        PersonHandler.check_xsrf_cookie(self)

    def get_login_url(self) -> str:
        """A program is not sent to a login page."""
        raise HTTPError(403)


class MachinesHandler(PersonApiHandler):
    """`machines`: those one may see."""

    @authenticated
    async def get(self) -> None:
        """The views of one's own claims; of all for an admin."""
        self.reply([view.to_json() for view in self.machines()])


class MachineHandler(PersonApiHandler):
    """`machines/{name}`."""

    @authenticated
    async def get(self, name: str) -> None:
        """One view."""
        self.reply(self.machine(name).to_json())

    @authenticated
    async def delete(self, name: str) -> None:
        """Delete the machine for good. The home is kept."""
        view = self.machine(name)
        await delete_machine(self, view.name)
        # It may be forgotten already, when there was no machine to delete.
        self.reply(self.services.board.views.get(view.name, view).to_json(), 202)


class MachineStopHandler(PersonApiHandler):
    """`machines/{name}/stop`."""

    @authenticated
    async def post(self, name: str) -> None:
        """Stop the machine, if the wish is still the one that was looked at."""
        view = self.machine(name)
        body = self.parse(StopBody)
        reason = Reason.USER if self.person.owns(view) else Reason.ADMIN
        await self.services.database.run(
            claims.put_stopped,
            view.name,
            body.generation,
            reason,
            None,
            self.services.clock.now(),
        )
        await self.services.board.refresh()
        self.reply(self.services.board.views.get(view.name, view).to_json())


async def delete_machine(handler: PersonHandler, name: str) -> None:
    """Write the wish that the machine of claim `name` be deleted, and show it."""
    services = handler.services
    await services.database.run(claims.put_deleted, name, Reason.DELETED, services.clock.now())
    await services.board.refresh()

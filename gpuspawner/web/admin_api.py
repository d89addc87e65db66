"""For the command line on the hub's own host, which can read the secret file."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from sqlalchemy import Connection
from tornado.web import HTTPError, RequestHandler

from gpuspawner.errors import ClaimNotFound, HomeInUse, MachineNotFound, NotTheLeader
from gpuspawner.model import Home
from gpuspawner.names import claim_name
from gpuspawner.store import claims
from gpuspawner.web.handler import ApiHandler, HubHandler
from gpuspawner.web.schemas import GiveBody
from gpuspawner.web.status import home_json, status


class HealthHandler(ApiHandler):
    """`health`: for load balancers and for whoever waits for the controller. Needs no token."""

    def get(self) -> None:
        """`ok`, or `degraded` when the cloud cannot be listed; `starting` before the first listing.

        With `?acts`, whatever is not `ok` is an error: for a switch outside.
        """
        board = self.services.board
        status = "starting" if board.world is None else "degraded" if board.trouble else "ok"
        listed = board.world.listed_at.isoformat() if board.world else None
        refused = status != "ok" and self.get_query_argument("acts", None) is not None
        self.reply({"status": status, "listed_at": listed}, 503 if refused else 200)


class StatusHandler(HubHandler):
    """`status`: claims beside machines, homes, and what last went wrong."""

    async def get(self) -> None:
        """Everything that `gpuspawner status` prints."""
        self.reply(await status(self.services))


class HomesHandler(HubHandler):
    """`homes`: every home of this hub."""

    def get(self) -> None:
        """As the cloud last listed them."""
        world = self.services.board.world
        self.reply([home_json(home) for home in world.homes] if world else [])


class HomeGiveHandler(HubHandler):
    """`homes/{id}/give`: hand a home to another user's server."""

    async def post(self, home_id: str) -> None:
        """From the next start on, that server gets this home, whoever it was made for."""
        body = self.parse(GiveBody)
        home = _home(self, home_id)
        name = claim_name(self.services.identity.hub_id, body.user_name, body.server_name)
        if home.machine_id and home.claim != name:
            raise HomeInUse(
                f"{home_id} is attached to {home.machine_id}: delete that machine first"
            )
        await self.services.database.run(claims.give_home, home_id, name, self.services.clock.now())
        self.reply({"home": home_id, "claim": name})


class HomeHandler(HubHandler):
    """`homes/{id}`: the only way in which this program ever deletes a home."""

    async def delete(self, home_id: str) -> None:
        """Delete it for good."""
        home = _home(self, home_id)
        with suppress(MachineNotFound):
            await self.services.provider.delete_home(home_id)
        if home.claim:
            await self.services.database.run(_renew_token, home.claim, self.services.clock.now())
        self.reply({"deleted": home_id})


def _home(handler: HubHandler, home_id: str) -> Home:
    world = handler.services.board.world
    for home in world.homes if world else ():
        if home.id == home_id:
            return home
    raise ClaimNotFound(f"no home {home_id}")


def _renew_token(connection: Connection, claim: str, now: Any) -> None:
    """The next home of this claim is another one: the cloud would answer the old token with the old."""
    claims.renew_home_token(connection, claim, now)


class NotFoundHandler(ApiHandler):
    """Every path that is none of ours."""

    def prepare(self) -> None:
        """404, as JSON."""
        raise HTTPError(404)


class StandbyHandler(RequestHandler):
    """`health` of a controller that stands by."""

    def get(self) -> None:
        """It lives, and does nothing."""
        self.finish({"status": "standby"})


class StandbyRefusal(RequestHandler):
    """Everything else of a controller that stands by."""

    def prepare(self) -> None:
        """Ask the other one."""
        self.set_status(503)
        error = NotTheLeader()
        self.finish(
            {
                "error": error.code,
                "reason": error.reason.value,
                "sentence": error.public.to_json(),
            }
        )

"""Hub to controller: claims (docs/explain/protocols.md). Writes the wish; the rest only follows."""

from __future__ import annotations

import asyncio
import json

from tornado.iostream import StreamClosedError

from gpuspawner.errors import ClaimNotFound, SpecificationRefused
from gpuspawner.language import _, say
from gpuspawner.model import Reason, Specification
from gpuspawner.names import is_claim_name
from gpuspawner.store import claims
from gpuspawner.store.admission import Refused, Wish, put_running
from gpuspawner.web.handler import ApiHandler, HubHandler
from gpuspawner.web.schemas import ClaimBody, StopBody

PING_SECONDS = 10.0


class ClaimHandler(HubHandler):
    """One claim: look at it, want it running, want it deleted."""

    async def get(self, name: str) -> None:
        """The claim's view."""
        self._show(name)

    async def put(self, name: str) -> None:
        """Open a new generation that wants the machine running."""
        if not is_claim_name(name):
            raise SpecificationRefused("the name is not a claim's name")
        body = self.parse(ClaimBody)
        specification = body.specification.specification()
        self._check(specification)
        wish = Wish(
            name, body.owner.owner(), specification, body.environment, body.command, body.port,
            body.start_by,
        )  # fmt: skip
        services = self.services
        answer = await services.database.run(
            put_running, wish, services.terms(), services.clock.now()
        )
        if isinstance(answer, Refused):
            raise answer.error
        await self.services.board.refresh()
        self._show(name)

    async def delete(self, name: str) -> None:
        """Want the machine gone for good. The home stays."""
        await self.services.database.run(
            claims.put_deleted, name, Reason.DELETED, self.services.clock.now()
        )
        await self.services.board.refresh()
        self._show(name, 202)

    def _show(self, name: str, status: int = 200) -> None:
        view = self.services.board.views.get(name)
        if view is None:
            raise ClaimNotFound(name)
        self.reply(view.to_json(), status)

    def _check(self, specification: Specification) -> None:
        """The hub resolves the profile; the limits and the sizes are the controller's."""
        limits = self.services.controller
        for asked, most in (
            (specification.disk_gib, limits.max_disk_gib),
            (specification.home_gib, limits.max_home_gib),
        ):
            if asked > most:
                raise SpecificationRefused(
                    f"profile {specification.profile!r} asks for a disk of {asked} GiB, the limit is {most} GiB",
                    public=say(
                        _(
                            "This machine asks for a disk of {asked} GiB, and the limit is {most} GiB. "
                            "Your administrator must correct it."
                        ),
                        asked=asked,
                        most=most,
                    ),
                )


async def stop_for_the_hub(handler: ApiHandler, name: str) -> None:
    """Want a claim's machine stopped, if the wish is still the one that was looked at."""
    body, services = handler.parse(StopBody), handler.services
    await services.database.run(
        claims.put_stopped, name, body.generation, body.reason, None, services.clock.now()
    )
    await services.board.refresh()
    view = services.board.views.get(name)
    if view is None:
        raise ClaimNotFound(name)
    handler.reply(view.to_json())


class ClaimsHandler(HubHandler):
    """All claims: once, or as a stream of JSON lines that never ends."""

    async def get(self) -> None:
        """A snapshot; with `watch=1`, every change after it."""
        if self.get_query_argument("watch", "") != "1":
            self.reply(self.services.board.snapshot())
            return
        self.set_header("Content-Type", "application/x-ndjson")
        with self.services.board.follow() as events:
            try:
                while True:
                    try:
                        event = await asyncio.wait_for(events.get(), PING_SECONDS)
                    except asyncio.TimeoutError:
                        event = {"type": "ping", "number": self.services.board.number}
                    self.write(json.dumps(event) + "\n")
                    await self.flush()
            except StreamClosedError:
                return

"""For the command line: what is known of a person, and forgetting it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from gpuspawner.policy.money import seconds_of
from gpuspawner.store import ledger
from gpuspawner.web.credit.bodies import WhoQuery
from gpuspawner.web.handler import HubHandler
from gpuspawner.web.schemas import parse_query


class PersonHandler(HubHandler):
    """`person`."""

    async def get(self) -> None:
        """Everything about a person, as it is handed to them."""
        self.reply(await self.services.database.read(_export, self._who()))

    async def delete(self) -> None:
        """Forget who a person is."""
        now = seconds_of(self.services.clock.now())
        self.reply(await self.services.database.run(_erase, self._who(), now))

    def _who(self) -> str:
        return parse_query(WhoQuery, self.request.query_arguments).who


def _export(c: Connection, who: str) -> dict[str, Any]:
    return ledger.export_person(c, ledger.find_person(c, who).id)


def _erase(c: Connection, who: str, now: int) -> dict[str, Any]:
    erased = ledger.erase_person(c, ledger.find_person(c, who).id, now=now)
    return {"id": erased.id, "erased_at": erased.erased_at}

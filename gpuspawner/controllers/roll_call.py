"""Asks the hub from time to time which servers it has, and ends sessions that it knows nothing of."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from sqlalchemy import Connection

from gpuspawner.clock import Clock
from gpuspawner.model import Reason
from gpuspawner.names import claim_name
from gpuspawner.policy import roll_call, sentences
from gpuspawner.settings import ControllerRecord
from gpuspawner.store import claims
from gpuspawner.store.database import Database
from gpuspawner.store.seen import Seen

_log = logging.getLogger(__name__)

Servers = Callable[[], Awaitable["Mapping[tuple[str, str], datetime | None] | None"]]


class RollCall:
    """Writes the wish `stopped` where the hub has no server, and nothing else."""

    def __init__(
        self,
        servers: Servers,
        database: Database,
        seen: Seen,
        clock: Clock,
        record: ControllerRecord,
        hub: str,
    ) -> None:
        self._servers, self._database, self._seen, self._clock = servers, database, seen, clock
        self._interval, self._grace, self._hub = (
            record.roll_call_interval,
            record.roll_call_grace,
            hub,
        )
        self._missing: roll_call.Missing = {}

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            await self._clock.sleep(self._interval.total_seconds())
            try:
                await self.look()
            except Exception:  # noqa: BLE001 - whatever it was, the next look begins afresh
                _log.exception("a roll call failed")

    async def look(self) -> None:
        """Ask once. Without a complete answer nothing is known, and counting begins afresh."""
        servers = await self._servers()
        if servers is None:
            self._missing = {}
            return
        present = {claim_name(self._hub, user, server): (user, server) for user, server in servers}
        # Asked only where a machine does not say itself what goes on in it.
        self._seen.hub_activity = {
            claim_name(self._hub, *whose): at for whose, at in servers.items() if at
        }
        now = self._clock.now()
        known = await self._database.read(claims.all_claims)
        self._missing = roll_call.call(self._missing, known, present, now)
        for name, generation in roll_call.forgotten(self._missing, now, self._grace):
            because = sentences.hub_forgot()
            _log.warning("the hub has no server for claim %s, so its session ends", name)
            await self._database.run(claims.end, name, generation, Reason.HUB_FORGOT, because, now)
        nameless = [claim.name for claim in known if not claim.owner.user_name]
        named = {name: present[name] for name in nameless if name in present}
        if named:
            await self._database.run(_introduce, named, now)


def _introduce(connection: Connection, named: dict[str, tuple[str, str]], now: datetime) -> None:
    """An adopted claim has no names, since tags carry none; the hub knows whose it is."""
    for name, (user, server) in named.items():
        claims.introduce(connection, name, user, server, now)

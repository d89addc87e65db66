"""Looks at what a start will need before anybody starts: credentials, image, network, quota."""

from __future__ import annotations

import logging

from gpuspawner.clock import Clock
from gpuspawner.errors import ProviderError
from gpuspawner.model import Finding, Severity
from gpuspawner.providers.base import Provider
from gpuspawner.store.seen import Seen

_log = logging.getLogger(__name__)

EVERY_SECONDS = 3600.0
AFTER_FAILURE_SECONDS = 60.0


class Inspector:
    """Checks the account when the controller starts, and every hour; the findings are the admin's."""

    def __init__(self, provider: Provider, seen: Seen, clock: Clock) -> None:
        self._provider, self._seen, self._clock = provider, seen, clock

    async def run(self) -> None:
        """Check for ever."""
        while True:
            await self._clock.sleep(EVERY_SECONDS if await self.look() else AFTER_FAILURE_SECONDS)

    async def look(self) -> bool:
        """Check once, and log what is not well and was not said before. Whether all could be seen."""
        try:
            await self._provider.bootstrap()
            findings = tuple(await self._provider.check())
        except ProviderError as error:
            findings = (Finding("account", Severity.ERROR, f"{error.code}: {error.detail}"),)
        bad = tuple(one for one in findings if one.severity in (Severity.WARNING, Severity.ERROR))
        for one in bad:
            if one not in self._seen.findings:
                _log.warning("%s: %s %s", one.subject, one.message, one.remedy)
        self._seen.findings = bad
        return not any(one.severity is Severity.ERROR for one in bad)

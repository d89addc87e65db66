"""The hub asks the controller for a user's credit: for a short while at most, and not too often."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from gpuspawner.clock import Clock
from gpuspawner.errors import GpuspawnerError
from gpuspawner.wallets import Wallet

WAIT_SECONDS = 2.0
"""So long a page waits for the balance; it is shown without it otherwise."""

KEPT_SECONDS = 10.0
"""So long an answer, or that there was none, is shown again without asking."""

_MOST = 2000
"""So many answers are kept; all are dropped then, since they are old soon anyway."""

Ask = Callable[[str, str], Awaitable[Mapping[str, Any]]]


class Wallets:
    """The credit of users as the controller said last. It fails soft: None is "not known".

    Args:
        ask: asks the controller: method and path.
        clock: for how old an answer is.
    """

    def __init__(self, ask: Ask, clock: Clock) -> None:
        self._ask, self._clock = ask, clock
        self._known: dict[str, tuple[float, Wallet | None]] = {}

    async def of(self, user_id: str, user_name: str) -> Wallet | None:
        """One user's; None when the controller does not say, or not in time."""
        now = self._clock.monotonic()
        at, wallet = self._known.get(user_id, (None, None))
        if at is not None and now - at < KEPT_SECONDS:
            return wallet
        query = urlencode({"user_id": user_id, "user_name": user_name})
        try:
            answer = await asyncio.wait_for(self._ask("GET", f"credit?{query}"), WAIT_SECONDS)
            wallet = Wallet.from_json(answer)
        except (GpuspawnerError, asyncio.TimeoutError, KeyError, TypeError, AttributeError):
            wallet = None
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[user_id] = (now, wallet)
        return wallet

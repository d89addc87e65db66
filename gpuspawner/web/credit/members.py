"""Who is in which group of the hub, remembered for a short while; and which user a name is now."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from gpuspawner.clock import Clock
from gpuspawner.errors import ControllerUnavailable
from gpuspawner.hub_api import Hub
from gpuspawner.language import _, say
from gpuspawner.policy.money_errors import PersonUnknown

_SECONDS = 60.0
"""So long a student who has left a group may still be seen by its teacher."""

_MOST = 10_000
"""So many tokens are remembered; all are forgotten then, and asked for again."""

_SILENT = say(
    _(
        "The hub does not say who is in the class now, so nothing was changed. Try again in a minute."
    )
)


class Members:
    """The groups as the hub last said; a group that it did not say has nobody in it.

    Args:
        hub: None for a controller that knows no hub: then groups have no members.
    """

    def __init__(self, hub: Hub | None, clock: Clock) -> None:
        self._hub, self._clock = hub, clock
        self._known: dict[str, tuple[float, frozenset[str]]] = {}
        self._users: tuple[float, Mapping[str, str]] | None = None
        self._tokens: dict[str, str] = {}

    async def of(self, groups: Collection[str]) -> Mapping[str, frozenset[str]]:
        """The members of those groups. When the hub is silent, what it said before counts no more."""
        return {group: await self._of(group) for group in groups}

    async def born(self, name: str) -> str:
        """When the hub made the user who has that name now (`names.born`). It is asked each time.

        Raises:
            PersonUnknown: it has none, or there is no hub to ask.
            ControllerUnavailable: it does not answer.
        """
        found = await self._hub.born(name) if self._hub else ""
        if found is None:
            raise ControllerUnavailable("the hub does not answer", public=_SILENT)
        if not found:
            raise PersonUnknown(f"the hub has no user {name!r}")
        return found

    async def born_by_token(self, name: str, token: str | None) -> str:
        """As `born`, of who has shown a token; `token` is the hub's id of it.

        A token is one user's for as long as it lives, so its answer is kept.

        Raises:
            PersonUnknown, ControllerUnavailable: as `born`.
        """
        found = self._tokens.get(token or "")
        if found is None:
            found = await self.born(name)
            if token:
                if len(self._tokens) >= _MOST:
                    self._tokens.clear()
                self._tokens[token] = found
        return found

    async def users(self) -> Mapping[str, str]:
        """When the hub made each of its users, by name; nobody when it is silent."""
        now = self._clock.monotonic()
        if self._users is not None and now - self._users[0] < _SECONDS:
            return self._users[1]
        said = await self._hub.born_all() if self._hub else {}
        if said is None:
            return {}
        self._users = (now, said)
        return said

    async def _of(self, group: str) -> frozenset[str]:
        now = self._clock.monotonic()
        at, members = self._known.get(group, (0.0, None))
        if members is not None and now - at < _SECONDS:
            return members
        said = await self._hub.members(group) if self._hub else frozenset()
        if said is None:
            return frozenset()
        self._known[group] = (now, said)
        return said

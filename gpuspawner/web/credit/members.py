"""Who is in which group of the hub, remembered for a short while; and whether there is such a user."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from gpuspawner.clock import Clock
from gpuspawner.errors import ControllerUnavailable
from gpuspawner.hub_api import Hub
from gpuspawner.language import _, say
from gpuspawner.policy.money_errors import PersonUnknown

_SECONDS = 60.0
"""So long a student who has left a group may still be seen by its teacher."""

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

    async def of(self, groups: Collection[str]) -> Mapping[str, frozenset[str]]:
        """The members of those groups. When the hub is silent, what it said before counts no more."""
        return {group: await self._of(group) for group in groups}

    async def check_user(self, name: str) -> None:
        """Whether the hub has a user of that name.

        Raises:
            PersonUnknown: it has none, or there is no hub to ask.
            ControllerUnavailable: it does not answer.
        """
        there = await self._hub.has_user(name) if self._hub else False
        if there is None:
            raise ControllerUnavailable("the hub does not answer", public=_SILENT)
        if not there:
            raise PersonUnknown(f"the hub has no user {name!r}")

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

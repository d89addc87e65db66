"""Who a person is, as the hub says, and what they may do."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from jupyterhub.services.auth import HubOAuth, HubOAuthenticated

from gpuspawner.errors import ClaimNotFound, NotAllowed
from gpuspawner.language import best_language
from gpuspawner.views import ClaimView
from gpuspawner.web.services import Services

ADMIN_SCOPE = "custom:gpuspawner:admin"
LANGUAGE_COOKIE = "gpuspawner_language"
_SERVICE = "gpuspawner"


@dataclass(frozen=True, slots=True)
class Person:
    """A user of the hub."""

    name: str
    admin: bool


class PersonHandler(HubOAuthenticated):  # type: ignore[misc]
    """Mixed into handlers for people: a hub token, or the hub's own login in a browser."""

    services: Services
    asked_language: str = ""
    """The language that a link of this very request asks for."""

    async def prepare(self) -> None:
        """Ask the hub who this is, and keep nobody else waiting for its answer."""
        await self.hub_auth.get_user(self, sync=False)

    @property
    def person(self) -> Person:
        """Who asks.

        Raises:
            NotAllowed: nobody that the hub knows, or a service without a user.
        """
        user: dict[str, Any] | None = self.current_user
        if not user or user.get("kind", "user") != "user":
            raise NotAllowed("not a user of the hub")
        scopes = user.get("scopes", [])
        return Person(user["name"], bool(user.get("admin")) or ADMIN_SCOPE in scopes)

    @property
    def language(self) -> str:
        """The language of this reader: cookie, then browser, then the course's."""
        chosen = self.asked_language or self.get_cookie(LANGUAGE_COOKIE, "") or ""
        accepted = self.request.headers.get("Accept-Language", "")
        wanted = [chosen, *(one.partition(";")[0] for one in accepted.split(","))]
        return best_language(wanted, self.services.controller.language)

    def machines(self) -> list[ClaimView]:
        """The claims that this person may see: their own, or all for an admin."""
        person = self.person
        return [
            view
            for view in self.services.board.views.values()
            if person.admin or view.owner.user_name == person.name
        ]

    def machine(self, name: str) -> ClaimView:
        """One claim that this person may act on.

        Raises:
            ClaimNotFound: there is none, or it is somebody else's, which is not told apart.
        """
        for view in self.machines():
            if view.name == name:
                return view
        raise ClaimNotFound(name)


def introduce(token: str, prefix: str) -> None:
    """Tell JupyterHub's library who we are: nobody has told a controller that runs on its own.

    The prefix in any case, since the library reads its variable while it is imported. Without the
    access scopes, every token that the hub knows would be let in, whatever it was made for.
    """
    HubOAuth.instance(
        base_url=prefix,
        api_token=os.environ.get("JUPYTERHUB_API_TOKEN", token),
        oauth_client_id=os.environ.get("JUPYTERHUB_CLIENT_ID", f"service-{_SERVICE}"),
        access_scopes={"access:services", f"access:services!service={_SERVICE}"},
    )

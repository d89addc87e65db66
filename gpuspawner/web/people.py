"""Who a person is, as the hub says, and what they may do."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from jupyterhub.services.auth import HubOAuth, HubOAuthenticated

from gpuspawner.errors import ClaimNotFound, NotAllowed
from gpuspawner.language import COOKIE, reader_language
from gpuspawner.names import born_of
from gpuspawner.views import ClaimView
from gpuspawner.web.services import Services

ADMIN_SCOPE = "custom:gpuspawner:admin"
_SERVICE = "gpuspawner"


@dataclass(frozen=True, slots=True)
class Person:
    """A user of the hub, and when it made them (`names.born`): a name may have been another's."""

    name: str
    admin: bool
    born: str

    def owns(self, view: ClaimView) -> bool:
        """Whether that is theirs, and not of somebody who had the name before."""
        owner = view.owner
        return owner.user_name == self.name and born_of(owner.user_id) == self.born


class PersonHandler(HubOAuthenticated):  # type: ignore[misc]
    """Mixed into handlers for people: a hub token, or the hub's own login in a browser."""

    services: Services
    asked_language: str = ""
    """The language that a link of this very request asks for."""

    born: str = ""
    """When the hub made the user who asks; "" is nobody's."""

    async def prepare(self) -> None:
        """Ask the hub who this is, and keep nobody else waiting for its answer.

        Raises:
            PersonUnknown: the user is gone meanwhile.
            ControllerUnavailable: the hub does not say which user of that name it is.
        """
        await self.hub_auth.get_user(self, sync=False)
        user: dict[str, Any] | None = self.current_user
        if user and user.get("kind", "user") == "user":
            members = self.services.members
            self.born = await members.born_by_token(user["name"], user.get("token_id"))

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
        admin = bool(user.get("admin")) or ADMIN_SCOPE in scopes
        return Person(user["name"], admin, self.born)

    @property
    def language(self) -> str:
        """The language of this reader: cookie, then browser, then the course's."""
        chosen = self.asked_language or self.get_cookie(COOKIE, "") or ""
        accepted = self.request.headers.get("Accept-Language", "")
        return reader_language(chosen, accepted, self.services.controller.language)

    def machines(self) -> list[ClaimView]:
        """The claims that this person may see: their own, or all for an admin."""
        person = self.person
        return [
            view for view in self.services.board.views.values() if person.admin or person.owns(view)
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

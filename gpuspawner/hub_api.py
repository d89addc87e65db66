"""What the controller asks the hub: which servers, users and groups it has."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from gpuspawner.names import born

_log = logging.getLogger(__name__)

_PAGED = "application/jupyterhub-pagination+json"
_SECONDS = 30.0
_SHORT_SECONDS = 5.0
"""Somebody waits for the answer to one question."""

_SILENT = (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError, TypeError)


class Hub:
    """The hub's REST API with the controller's own token.

    Args:
        url: of the API, such as `http://127.0.0.1:8081/hub/api`.
        token: `Identity.service_token`; needs the scopes `list:users`, `read:users`, `read:servers` and `read:groups`.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"token {token}", "Accept": _PAGED}

    async def servers(self) -> dict[tuple[str, str], datetime | None] | None:
        """User and server name of every server that is ready or pending, with its last activity.

        None when the hub does not say so in full: it is down, it restarts, or a page is missing.
        """
        found = dict[tuple[str, str], datetime | None]()
        try:
            async for user in self._pages("users?state=active"):
                for name, server in user["servers"].items():
                    found[user["name"], name] = _moment(server.get("last_activity"))
        except _SILENT as error:
            _log.info("the hub does not say which servers it has: %r", error)
            return None
        return found

    async def _pages(self, path: str) -> AsyncIterator[Mapping[str, Any]]:
        """The things of a list that comes in pages; raises one of `_SILENT`."""
        url: str | None = f"{self._url}/{path}"
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        async with aiohttp.ClientSession(headers=self._headers, timeout=timeout) as session:
            while url:
                async with session.get(url) as answer:
                    answer.raise_for_status()
                    page = await answer.json(content_type=None)
                for one in page["items"]:
                    yield one
                following = page["_pagination"]["next"]
                url = following["url"] if following else None

    async def members(self, group: str) -> frozenset[str] | None:
        """The users in a group, nobody if there is no such group; None when the hub does not say.

        Needs the scope `read:groups`.
        """
        found = await self._one(f"groups/{quote(group, safe='')}")
        if found is None:
            return None
        users = found.get("users", [])
        return frozenset(str(user) for user in users)

    async def born(self, name: str) -> str | None:
        """When the user of that name was made, as `names.born` has it; "" if there is none.

        None when the hub does not say. Needs `read:users`.
        """
        found = await self._one(f"users/{quote(name, safe='')}")
        if found is None:
            return None
        return _born(found) if found.get("name") == name else ""

    async def born_all(self) -> Mapping[str, str] | None:
        """As `born`, of every user by name. None when the hub does not say it in full."""
        found: dict[str, str] = {}
        try:
            async for user in self._pages("users?limit=200"):
                found[user["name"]] = _born(user)
        except _SILENT as error:
            _log.info("the hub does not say which users it has: %r", error)
            return None
        return found

    async def _one(self, path: str) -> Mapping[str, Any] | None:
        """What the hub says of one thing: nothing in it if there is none, None if it is silent."""
        timeout = aiohttp.ClientTimeout(total=_SHORT_SECONDS)
        headers = {"Authorization": self._headers["Authorization"]}
        try:
            async with (
                aiohttp.ClientSession(headers=headers, timeout=timeout) as session,
                session.get(URL(f"{self._url}/{path}", encoded=True)) as answer,
            ):
                if answer.status == 404:
                    return {}
                answer.raise_for_status()
                found = await answer.json(content_type=None)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            _log.info("the hub does not say anything of %s: %r", path, error)
            return None
        return found if isinstance(found, dict) else None


def _born(user: Mapping[str, Any]) -> str:
    """Of what the hub says of a user. Without the scope it says nothing, and "" is nobody's."""
    if "created" not in user:
        return ""
    try:
        return born(_moment(user["created"]))
    except (AttributeError, TypeError, ValueError):
        return ""


def _moment(text: str | None) -> datetime | None:
    """A time as the hub writes it; Python 3.10 does not read its `Z`."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None

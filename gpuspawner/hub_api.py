"""What the controller asks the hub: which servers it has. Never the other way round for money."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import aiohttp

_log = logging.getLogger(__name__)

_PAGED = "application/jupyterhub-pagination+json"
_SECONDS = 30.0


class Hub:
    """The hub's REST API with the controller's own token.

    Args:
        url: of the API, such as `http://127.0.0.1:8081/hub/api`.
        token: `Identity.service_token`; needs the scopes `list:users` and `read:servers`.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"token {token}", "Accept": _PAGED}

    async def servers(self) -> frozenset[tuple[str, str]] | None:
        """User and server name of every server that is ready or pending.

        None when the hub does not say so in full: it is down, it restarts, or a page is missing.
        """
        found: set[tuple[str, str]] = set()
        url: str | None = f"{self._url}/users?state=active"
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        try:
            async with aiohttp.ClientSession(headers=self._headers, timeout=timeout) as session:
                while url:
                    async with session.get(url) as answer:
                        answer.raise_for_status()
                        page = await answer.json(content_type=None)
                    found.update(_servers(page["items"]))
                    following = page["_pagination"]["next"]
                    url = following["url"] if following else None
        except (
            aiohttp.ClientError,
            OSError,
            TimeoutError,
            ValueError,
            KeyError,
            TypeError,
        ) as error:
            _log.info("the hub does not say which servers it has: %r", error)
            return None
        return frozenset(found)


def _servers(users: list[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for user in users:
        for name in user["servers"]:
            yield user["name"], name

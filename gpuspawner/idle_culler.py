"""For hubs that keep jupyterhub-idle-culler: its question about one of our servers, answered by our rule.

That one knows a single signal, to which an open tab is activity and a silent training is none. Our
controller stops machines by itself; this is for sites that want one culler for all their servers.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote

from tornado.httpclient import AsyncHTTPClient, HTTPClientError

from gpuspawner import identity
from gpuspawner.names import claim_name

_log = logging.getLogger(__name__)

_SECONDS = 10.0
_CLAIMS = "/services/gpuspawner/api/v1/claims/"

Arbiter: TypeAlias = Callable[..., Awaitable[bool]]


def arbiter(controller_url: str, secret_file: Path) -> Arbiter:
    """What to set `c.IdleCuller.cull_arbiter_hook` to (jupyterhub-idle-culler 2.0 and later).

    A server of ours is to be stopped when the rule says so; with `c.Idle.enforce`, our controller
    is doing so already. Any other is judged as without this. When the controller does not answer,
    no server is to be stopped: it cannot be told whose they are.

    Args:
        controller_url: where the controller listens, such as `http://127.0.0.1:8010`.
        secret_file: the hub's secret file, which the idle culler must be able to read.

    Raises:
        ConfigurationError: the secret file cannot be used.
    """
    ours = identity.load(secret_file)
    headers = {"Authorization": f"Bearer {ours.claims_token}"}

    async def ask(
        *,
        inactive: timedelta | None,
        inactive_limit: float,
        server: Mapping[str, Any],
        **_more: Any,
    ) -> bool:
        claim = claim_name(ours.hub_id, _user(server), server["name"])
        url = controller_url.rstrip("/") + _CLAIMS + claim
        try:
            answer = await AsyncHTTPClient().fetch(url, headers=headers, request_timeout=_SECONDS)
            session = json.loads(answer.body)["session"]
        except HTTPClientError as error:
            if error.code == 404:
                return inactive is not None and inactive.total_seconds() >= inactive_limit
            _log.warning("nothing is culled: %s answers %s", url, error.code)
        except (OSError, ValueError, LookupError) as error:
            _log.warning("nothing is culled: the controller at %s: %s", url, error)
        else:
            return bool(session and session["ending"])
        return False

    return ask


def _user(server: Mapping[str, Any]) -> str:
    """Whose a server is, by its address: `…/user/NAME/`, or `…/user/NAME/SERVER/`."""
    parts = str(server["url"]).strip("/").split("/")
    return unquote(parts[-2] if server["name"] else parts[-1])

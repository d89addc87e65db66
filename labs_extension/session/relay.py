"""Speaks to the controller on a student's behalf, with the student's own hub token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPError, HTTPRequest

from labs_extension.session.sentences import nonsense, unmanaged, unreachable

ACTS = ("keep", "lease", "stop")
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 15.0
LARGEST_ANSWER = 1 << 20


@dataclass(frozen=True)
class Controller:
    """Where the controller is, and on whose behalf we speak; all from the server's environment.

    `url` is "" where there is no agent, and with it no controller.
    """

    url: str
    claim: str
    generation: int | None
    token: str = field(repr=False)
    hub_prefix: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Controller:
        """What the agent and the hub have told this server."""
        generation = environment.get("GPUSPAWNER_GENERATION", "")
        prefix = environment.get("JUPYTERHUB_BASE_URL", "")
        return cls(
            url=environment.get("GPUSPAWNER_API_URL", "").rstrip("/"),
            claim=environment.get("GPUSPAWNER_CLAIM", ""),
            generation=int(generation) if generation.isdigit() else None,
            token=environment.get("JUPYTERHUB_API_TOKEN", ""),
            hub_prefix=f"{prefix.rstrip('/')}/hub/" if prefix else "",
        )

    async def ask(self, act: str) -> tuple[int, dict[str, Any]]:
        """Ask for one of `ACTS`; the status and the body of what the student is answered.

        Never raises: when the controller cannot be asked, the body says so in both languages.
        """
        return await self.request(
            "POST", f"claims/{self.claim}/{act}", {"generation": self.generation}
        )

    async def request(
        self, method: str, path: str, body: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Ask for anything below the controller's REST, on the student's behalf; as `ask`."""
        if not (self.url and self.claim and self.token):
            return 503, {"error": "unmanaged", "sentence": unmanaged()}
        request = HTTPRequest(
            f"{self.url}/{path}",
            method=method,
            headers={
                "Authorization": f"token {self.token}",
                "Content-Type": "application/json",
                "Accept": "application/json",
            },
            body=None if body is None else json.dumps(body),
            connect_timeout=CONNECT_SECONDS,
            request_timeout=ANSWER_SECONDS,
            follow_redirects=False,
        )
        try:
            answer = await AsyncHTTPClient().fetch(request, raise_error=False)
        except (OSError, HTTPError):
            return 502, {"error": "unreachable", "sentence": unreachable()}
        said = _object(answer.body)
        if answer.code == 599 or (answer.code >= 500 and said is None):
            return 502, {"error": "unreachable", "sentence": unreachable()}
        if said is None:
            return 502, {"error": "nonsense", "sentence": nonsense()}
        return answer.code, said


def _object(text: bytes | None) -> dict[str, Any] | None:
    if text is None or len(text) > LARGEST_ANSWER:
        return None
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None

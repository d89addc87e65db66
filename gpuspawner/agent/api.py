"""The way to the controller: small JSON requests over the hub's public URL.

No redirect is followed and no proxy asked, so that the key goes to the address in the user data
and nowhere else. TLS is verified against the system's authorities and, if the image has one, an
additional authority.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 10.0
LARGEST_ANSWER = 1 << 20


class ApiError(Exception):
    """The base of what can go wrong between here and the controller."""


class Unreachable(ApiError):
    """No answer, or one that makes no sense: try again later."""


class Disowned(ApiError):
    """The controller does not know this machine, or does not believe that we are it."""


class NotWanted(ApiError):
    """The controller knows the machine, but no session is wanted on it."""


class Api:
    """Requests to the controller's `agent/` addresses (docs/explain/protocols.md).

    Args:
        url: where they begin, from the user data.
        authority: a file of further certificate authorities (PEM), if it exists.
        ca: one more, as PEM text; "" for none.
        timeout: seconds for connecting and for each read.

    Raises:
        ValueError: `url` is not an http or https address.
        ssl.SSLError: `ca` is not a certificate.
    """

    def __init__(
        self,
        url: str,
        *,
        authority: Path | None = None,
        ca: str = "",
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        self.url = url.rstrip("/")
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"not an http or https address: {url!r}")
        self._host, self._port = parts.hostname, parts.port
        self._path = parts.path.rstrip("/")
        self._timeout = timeout
        self._tls = _tls(authority, ca) if parts.scheme == "https" else None

    def register(self, ticket: str, key: str) -> str:
        """Exchange the ticket for the machine's id; the same pair again is fine."""
        answer = self._send("POST", "register", {"ticket": ticket, "key": key}, None)
        return _field(answer, "machine", str)

    def environment(self, bearer: str) -> dict[str, Any]:
        """What to run: see `boot.Orders`."""
        return self._send("GET", "environment", None, bearer)

    def report(self, bearer: str, generation: int, stage: str, detail: str = "") -> None:
        """Tell how far the start is, or how it ended."""
        body = {"generation": generation, "stage": stage, "detail": detail}
        self._send("POST", "report", body, bearer)

    def heartbeat(self, bearer: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Tell the facts; hear the verdict."""
        return self._send("POST", "heartbeat", body, bearer)

    def _send(
        self, method: str, name: str, body: Mapping[str, Any] | None, bearer: str | None
    ) -> dict[str, Any]:
        headers = {"Accept": "application/json", "User-Agent": "gpuspawner-agent/1"}
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        connection = self._connect()
        try:
            connection.request(method, f"{self._path}/{name}", data, headers)
            response = connection.getresponse()
            text = response.read(LARGEST_ANSWER + 1)
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{method} {name}: {type(error).__name__}: {error}") from error
        finally:
            connection.close()
        return _understand(f"{method} {name}", response.status, text)

    def _connect(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        return http.client.HTTPSConnection(
            self._host, self._port, timeout=self._timeout, context=self._tls
        )


def _tls(authority: Path | None, ca: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if authority is not None and authority.is_file():
        context.load_verify_locations(cafile=str(authority))
    if ca:
        context.load_verify_locations(cadata=ca)
    return context


def _understand(what: str, status: int, text: bytes) -> dict[str, Any]:
    if status >= 400 and not _is_the_controllers(text):
        # The hub's or the proxy's own page: while the routes are being made anew, say.
        raise Unreachable(f"{what}: {status}, and not from the controller")
    if status in {401, 403, 404, 410} or (status == 409 and what.endswith("register")):
        raise Disowned(f"{what}: {status}")
    if status == 409:
        raise NotWanted(f"{what}: {status}")
    if status != 200:
        raise Unreachable(f"{what}: {status}")
    if len(text) > LARGEST_ANSWER:
        raise Unreachable(f"{what}: more than {LARGEST_ANSWER} bytes")
    try:
        answer = json.loads(text)
    except ValueError as error:
        raise Unreachable(f"{what}: not JSON") from error
    if not isinstance(answer, dict):
        raise Unreachable(f"{what}: not a JSON object")
    return answer


def _is_the_controllers(text: bytes) -> bool:
    """Whether a refusal is the controller's: it names its `error`, which no other does."""
    try:
        answer = json.loads(text)
    except ValueError:
        return False
    return isinstance(answer, dict) and isinstance(answer.get("error"), str)


def _field(answer: Mapping[str, Any], name: str, kind: type[str]) -> str:
    value = answer.get(name)
    if not isinstance(value, kind):
        raise Unreachable(f"the answer has no {name!r}")
    return value

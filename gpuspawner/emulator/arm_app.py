"""From an HTTP request to an answer: count, throttle, strike, and look after it."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from gpuspawner.emulator import arm_price_list
from gpuspawner.emulator.api import Api
from gpuspawner.emulator.arm_front import Front
from gpuspawner.emulator.arm_lifecycle import Lifecycle
from gpuspawner.emulator.arm_machines import Machines
from gpuspawner.emulator.arm_network import Network
from gpuspawner.emulator.arm_resources import Resources
from gpuspawner.emulator.arm_wire import Answer, Call, Dropped, Refusal, answer, parse, refusal
from gpuspawner.emulator.arm_workflows import Workflows
from gpuspawner.emulator.arm_world import World
from gpuspawner.emulator.faults import Rule

log = logging.getLogger(__name__)

_TOKEN = "/metadata/identity/oauth2/token"  # noqa: S105 - a path
_TOKEN_SECONDS = 86400

_ALWAYS = {
    "Cache-Control": "no-cache",
    "Pragma": "no-cache",
    "Expires": "-1",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
}


class Application:
    """The emulator behind its server, safe to call from many threads.

    `seen` is called with every ARM call and its answer: for tests that hold them against
    Microsoft's own types.
    """

    def __init__(self, world: World, url: Callable[[], str]) -> None:
        self._world = world
        self._closing = threading.Event()
        lifecycle = Lifecycle(world)
        machines = Machines(world, lifecycle, url)
        self._handlers = {
            **Resources(world, lifecycle, url).handlers,
            **Network(world, url).handlers,
            **Workflows(world).handlers,
            **machines.handlers,
        }
        self._api = Api(world, Front(world, lifecycle))
        self.seen: Callable[[Call, Answer], None] = lambda _call, _answer: None

    def close(self) -> None:
        """Answer at once what waits for an injected delay."""
        self._closing.set()

    def __call__(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, *, secure: bool
    ) -> Answer:
        """Answer one request.

        Raises:
            Dropped: end the connection instead.
        """
        path = urlsplit(target)
        if path.path.startswith("/_emulator"):
            return self._api.answer(method, path.path, path.query, body)
        if path.path == _TOKEN:
            return self._token(headers)
        if path.path == arm_price_list.PATH:
            with self._world.lock:
                return answer(200, arm_price_list.answer(path.query, self._world.bill.prices))
        if path.path.startswith("/_blob/"):
            return self._blob(path.path)
        if not secure:
            message = "Azure Resource Manager is reached by HTTPS."
            return refusal(Refusal("HttpsRequired", message, 403))
        if not headers.get("Authorization", "").startswith("Bearer "):
            message = "Authentication failed. The 'Authorization' header is missing."
            return refusal(Refusal("AuthenticationFailed", message, 401))
        try:
            call = parse(method, target, headers, body)
        except Refusal as error:
            return refusal(error)
        given = self._answer(call)
        self.seen(call, given)
        return given

    def _answer(self, call: Call) -> Answer:
        left: Mapping[str, str] = {}
        try:
            with self._world.lock:
                left = self._admit(call)
                rules = self._world.faults.striking(call)
            if delay := sum(rule.delay for rule in rules):
                self._closing.wait(delay)
            with self._world.lock:
                given = self._carry_out(call, rules)
        except Refusal as error:
            bare = error.status == 429 and bool(error.details)
            given = refusal(error, wrapped=not bare)
        except Dropped:
            raise
        except Exception:
            log.exception("%s failed inside the emulator", call.action)
            given = refusal(Refusal("InternalServerError", "The emulator has a mistake.", 500))
        if given.headers.get("x-ms-failure-cause") == "gateway":
            # The compute service was not asked, so it says nothing of its limits.
            left = {name: one for name, one in left.items() if not name.endswith("-resource")}
        headers = {**_ALWAYS, **left, **given.headers}
        return Answer(given.status, given.body, given.content_type, headers)

    def _admit(self, call: Call) -> Mapping[str, str]:
        world = self._world
        world.calls[call.counted_as] += 1
        try:
            return world.throttle.admit(call, world.clock.now(), on=world.faults.settings.throttle)
        except Refusal:
            world.throttled[call.counted_as] += 1
            raise

    def _carry_out(self, call: Call, rules: list[Rule]) -> Answer:
        self._world.settle()
        for rule in rules:
            if rule.when == "before":
                rule.strike()
        given = self._handlers[call.action](call)
        for rule in rules:
            if rule.when == "after":
                rule.strike()
        return given

    def _token(self, headers: Mapping[str, str]) -> Answer:
        """As the host's metadata service gives a managed identity its token."""
        if headers.get("Metadata", "").lower() != "true":
            return answer(400, {"error": "invalid_request"})
        now = int(self._world.clock.now())
        content: dict[str, Any] = {
            "access_token": "emulated",
            "expires_in": str(_TOKEN_SECONDS),
            "expires_on": str(now + _TOKEN_SECONDS),
            "resource": "https://management.azure.com",
            "token_type": "Bearer",
        }
        return answer(200, content)

    def _blob(self, path: str) -> Answer:
        name = path.split("/")[2]
        written = self._world.host.console(name).encode()
        return Answer(200, written, "text/plain")


def body_of(given: Answer) -> Any:
    """The content of an answer in JSON, None when it is empty."""
    return json.loads(given.body) if given.body else None

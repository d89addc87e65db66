"""From an HTTP request to an answer: count, throttle, strike, look after it ourselves or ask moto."""

from __future__ import annotations

import io
import logging
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.test import run_wsgi_app

from gpuspawner.emulator import ec2_checks as checks
from gpuspawner.emulator import ec2_moto as border
from gpuspawner.emulator import ec2_services as services
from gpuspawner.emulator.api import Api
from gpuspawner.emulator.ec2_disks import Disks
from gpuspawner.emulator.ec2_front import Front
from gpuspawner.emulator.ec2_instances import Instances
from gpuspawner.emulator.ec2_wire import Answer, Call, Dropped, Refusal, parse, refusal
from gpuspawner.emulator.ec2_world import World
from gpuspawner.emulator.faults import Rule

log = logging.getLogger(__name__)

NOT_HERE = frozenset(
    {"CreateFleet", "RequestSpotFleet", "RequestSpotInstances", "RunScheduledInstances"}
)
"""Other ways to machines, which moto has and the emulator does not watch over."""

Environ = dict[str, Any]
StartResponse = Callable[..., Any]


class Application:
    """The emulator as a WSGI application, safe to call from many threads."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._api = Api(world, Front(world))
        self._moto = border.application()
        self._closing = threading.Event()
        self._handlers = {**Instances(world).handlers, **Disks(world).handlers}

    def close(self) -> None:
        """Answer at once what waits for an injected delay."""
        self._closing.set()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        path = environ.get("PATH_INFO", "")
        try:
            if path.startswith("/_emulator"):
                query = str(environ.get("QUERY_STRING", ""))
                answer = self._api.answer(environ["REQUEST_METHOD"], path, query, body)
            else:
                answer = self._answer(parse(environ, body), environ)
        except Dropped:
            return _drop(environ, start_response)
        headers = [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body)))]
        start_response(f"{answer.status} -", [*headers, *answer.headers.items()])
        return [answer.body]

    def _answer(self, call: Call, environ: Environ) -> Answer:
        try:
            rules = self._receive(call)
            delay = sum(rule.delay for rule in rules)
            if delay:
                self._closing.wait(delay)
            with self._world.lock:
                return self._carry_out(call, rules, environ)
        except Refusal as error:
            return refusal(call, error)
        except border.ServiceException as error:
            return refusal(call, Refusal(error.code, error.message))
        except NotImplementedError as error:
            return refusal(call, Refusal("UnsupportedOperation", str(error)))
        except Dropped:
            raise
        except Exception:
            log.exception("%s failed inside the emulator", call.action)
            return refusal(call, Refusal("InternalError", "The emulator has a mistake.", 500))

    def _receive(self, call: Call) -> list[Rule]:
        world = self._world
        with world.lock:
            world.calls[call.action] += 1
            world.settle()
            if call.service == "ec2" and world.faults.settings.throttle:
                try:
                    world.throttle.admit(call, world.clock.now())
                except Refusal:
                    world.throttled[call.action] += 1
                    raise
            return world.faults.striking(call)

    def _carry_out(self, call: Call, rules: list[Rule], environ: Environ) -> Answer:
        world = self._world
        world.settle()
        for rule in rules:
            if rule.when == "before":
                rule.strike()
        world.call = call
        world.pages = next((rule.pages for rule in rules if rule.pages), None)
        try:
            answer = self._handle(call, environ)
        finally:
            world.call = world.pages = None
            lost = [rule for rule in rules if rule.when == "after"]
        for rule in lost:
            rule.strike()
        return answer

    def _handle(self, call: Call, environ: Environ) -> Answer:
        def forward(other: Call) -> Answer:
            return self._ask_moto(other, environ)

        if call.service != "ec2":
            return services.answer(call, self._world) or forward(call)
        if call.region != self._world.region:
            message = f"This emulator has one region, {self._world.region}."
            raise Refusal("OptInRequired", message, 403)
        if call.action in NOT_HERE:
            raise Refusal("UnsupportedOperation", f"This emulator has no {call.action}.")
        checks.paging(call)
        handler = self._handlers.get(call.action)
        return handler(call, forward) if handler else forward(call)

    def _ask_moto(self, call: Call, environ: Environ) -> Answer:
        inner = {
            **environ,
            "wsgi.input": io.BytesIO(call.body),
            "CONTENT_LENGTH": str(len(call.body)),
        }
        chunks, status, headers = run_wsgi_app(self._moto, inner, buffered=True)
        kind = headers.get("Content-Type", "text/xml")
        return Answer(int(status.partition(" ")[0]), b"".join(chunks), kind)


def _drop(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    connection = environ.get("werkzeug.socket")
    if connection is not None:
        connection.shutdown(socket.SHUT_RDWR)
    start_response("500 -", [])
    return []

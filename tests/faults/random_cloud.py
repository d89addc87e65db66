"""The emulated EC2 in the same process and the same thread, with one clock for the cloud and for us.

boto3 builds and signs every request and reads every answer; only the socket is left out. So a run
is a thousand times faster than the time that passes in it, and the same run twice is the same: what
Hypothesis finds it can find again, and make small.
"""

from __future__ import annotations

import asyncio
import io
import random
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import boto3
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError
from moto.backends import list_of_moto_modules
from moto.moto_api._internal import mock_random

from gpuspawner.emulator.clock_ import Clock
from gpuspawner.emulator.ec2_app import Application
from gpuspawner.emulator.ec2_limits import TERMS
from gpuspawner.emulator.ec2_wire import parse
from gpuspawner.emulator.ec2_world import World
from gpuspawner.emulator.faults import Faults, Times
from gpuspawner.providers.aws import AWSProvider, AWSRecord
from gpuspawner.testing import FakeClock

NOON = 1_800_000_000.0
URL = "http://cloud.invalid"
SIZES = ("g4dn.xlarge", "g6.xlarge")
ZONES = ("us-east-1a", "us-east-1b")
OTHER_IMAGE = "another-lab"

SESSION = boto3.Session(
    region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="thing"
)

_MODULES = list(list_of_moto_modules())

Point = Callable[[str, str], None]


class Inline(Executor):
    """Runs at once what it is given, in the caller's thread: the same order every time."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the future's
            future.set_exception(error)
        return future


_ROUNDS = 100
"""So often the event loop goes round before time passes, for those who wait for nothing."""


class OneClock(FakeClock):
    """The controller's clock and the cloud's. A jump moves the wall clock of the controller alone.

    Whoever sleeps turns it: nobody else is there to do it.
    """

    def __init__(self) -> None:
        super().__init__(datetime.fromtimestamp(NOON, timezone.utc))
        self._ends: list[float] = []
        self.cloud = Clock(NOON, frozen=True)
        self.passed: list[Callable[[float], None]] = []

    def turn(self, by: Any) -> None:
        """Time passes for everybody, `by` seconds."""
        super().turn(by)
        self.cloud.advance(by)
        for callback in self.passed:
            callback(by)

    async def sleep(self, seconds: float) -> None:
        """Wait, by letting time pass once nobody has anything left to do without it."""
        end = self.monotonic() + max(seconds, 0.0)
        self._ends.append(end)
        try:
            while end > self.monotonic():
                now = self.monotonic()
                for _ in range(_ROUNDS):
                    await asyncio.sleep(0)
                # Of those who wait, the one who has waited enough first turns the clock.
                if now == self.monotonic() and end == min(self._ends):
                    self.turn(end - now)
        finally:
            self._ends.remove(end)


class Cloud:
    """One account. `point` is told of every request, before it is carried out and after it."""

    def __init__(self, seed: int, folder: Path) -> None:
        mock_random.seed(seed)
        dice = random.Random(seed)

        def same() -> uuid.UUID:
            return uuid.UUID(int=dice.getrandbits(128), version=4)

        self._patches = [
            mock.patch("uuid.uuid4", new=same),
            # It looks through its folders at every request.
            mock.patch("moto.backends.list_of_moto_modules", return_value=_MODULES),
            mock.patch("botocore.endpoint.time", SimpleNamespace(sleep=self._wait)),
        ]
        for patch in self._patches:
            patch.start()
        self.clock = OneClock()
        self.world = World(
            folder,
            self.clock.cloud,
            Faults(TERMS, Times(pending=8, stopping=5, shutting_down=5), seed=seed),
        )
        self.other_image = _other_image(self.world)
        self._application = Application(self.world)
        self._application._moto = Repeated(self.world, self._application._moto)
        self._clients: dict[tuple[str, bool], Any] = {}
        self.point: Point = lambda _side, _what: None
        self.request: dict[str, str] = {}
        """The parameters of the request that `point` is being told of."""
        self.asked: Counter[str] = Counter()
        self.ill = False

    def provider(self, hub_id: str) -> AWSProvider:
        """The provider as production runs it, for one life of a controller."""
        record = AWSRecord(
            region="us-east-1",
            image="gpuspawner-lab",
            sizes=SIZES,
            subnets=tuple(self.world.seed.subnets[zone] for zone in ZONES),
            security_groups=("gpuspawner-machines",),
            endpoint_url=URL,
        )
        provider = AWSProvider(record, hub_id, self.clock)
        calls: Any = provider._calls
        calls._threads = Inline()
        calls._clients = self._clients
        calls._session = self
        return provider

    def client(self, service: str, **options: Any) -> Any:
        """What the provider asks of its session: a client, whose requests come to `_answer`."""
        client = SESSION.client(service, **options)
        client.meta.events.register("before-send", self._answer)
        return client

    def post(self, *rules: dict[str, Any]) -> None:
        """Let something go wrong from now on."""
        self.world.faults.post(list(rules))
        self.ill = True

    def heal(self) -> None:
        """Nothing goes wrong any more."""
        self.world.faults.reset()
        self.ill = False

    def close(self) -> None:
        """Leave the process as it was."""
        for patch in self._patches:
            patch.stop()
        for client in self._clients.values():
            client.close()
        self.world.close()

    def _wait(self, seconds: float) -> None:
        self.clock.turn(seconds)

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        environ = _environ(request)
        self.request = _parameters(environ)
        action = (
            self.request.get("Action") or environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        )
        self.asked[action] += 1
        self.point("before", action)
        answer: dict[str, Any] = {}

        def start_response(status: str, headers: Any, *_: Any) -> None:
            answer.update(status=int(status[:3]), headers=dict(headers))

        body = b"".join(self._application(environ, start_response))
        self.point("after", action)
        if environ["werkzeug.socket"].shut:
            raise ConnectionClosedError(endpoint_url=URL)
        return AWSResponse(request.url, answer["status"], answer["headers"], _Raw(body))


class Repeated:
    """Lists again what has not changed since it was listed: moto takes long to write a list.

    What is wrong with the request or its answer, and how often it was asked, is decided before.
    """

    def __init__(self, world: World, moto: Any) -> None:
        self._world, self._moto = world, moto
        self._state: Any = None
        self._known: dict[bytes, tuple[Any, list[bytes]]] = {}

    def __call__(self, environ: Any, start_response: Any) -> Any:
        call, lag = self._world.call, self._world.faults.settings
        lists = call and call.action in ("DescribeInstances", "DescribeVolumes")
        if not lists or lag.hidden or lag.stale or self._world.pages:
            return self._moto(environ, start_response)
        state = self._everything()
        if state != self._state:
            self._state, self._known = state, {}
        asked = environ["wsgi.input"].getvalue()
        if asked not in self._known:
            answered: list[Any] = []
            body = list(self._moto(environ, lambda *said: answered.append(said)))
            self._known[asked] = answered[0], body
        said, body = self._known[asked]
        start_response(*said)
        return body

    def _everything(self) -> Any:
        machines = [
            (one.id, one.type, len(one.history)) for one in self._world.lifecycle.records.values()
        ]
        volumes = [
            (one.id, one.status, at and (at.instance.id, at.status))
            for one in self._world.backend.volumes.values()
            for at in [one.attachment]
        ]
        return machines, volumes


class _Raw(io.BytesIO):
    """A body, as urllib3 hands it to botocore."""

    def stream(self, **_: Any) -> Any:
        yield self.read()


class _Socket:
    """A connection that the emulator can end without an answer."""

    shut = False

    def shutdown(self, _how: int) -> None:
        self.shut = True


def _environ(request: Any) -> dict[str, Any]:
    body = request.body or b""
    body = body.encode() if isinstance(body, str) else body
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "cloud.invalid",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.errors": io.StringIO(),
        "wsgi.input": io.BytesIO(body),
        "werkzeug.socket": _Socket(),
        "gpuspawner.body": body,
    }
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        environ[key] = value.decode() if isinstance(value, bytes) else value
    return {**environ, "HTTP_HOST": "cloud.invalid", "CONTENT_LENGTH": str(len(body))}


def _parameters(environ: dict[str, Any]) -> dict[str, str]:
    return dict(parse(environ, environ["gpuspawner.body"]).params)


def _other_image(world: World) -> str:
    image = world.backend.register_image(OTHER_IMAGE, "Another image of the class")
    image.architecture, image.virtualization_type = "x86_64", "hvm"
    image.root_device_type, image.hypervisor, image.platform = "ebs", "xen", None
    return str(image.id)

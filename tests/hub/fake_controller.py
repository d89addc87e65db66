"""A controller on loopback, as docs/explain/protocols.md has it, with levers to pull."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta, timezone

from aiohttp import web

from gpuspawner.errors import (
    ClaimNotFound,
    GenerationMismatch,
    GpuspawnerError,
)
from gpuspawner.language import say
from gpuspawner.model import Desired, Owner, Power, Reason, Specification, Stage
from gpuspawner.views import ClaimView, Progress, SizeCard

TOKEN = "the token"
STATUS = {"claim-not-found": 404, "generation-mismatch": 409, "specification-refused": 400}

T4 = SizeCard("g4dn.xlarge", 4, 16384, "NVIDIA T4", 1, 16384, 526_000, "USD", True, 210)
A10 = SizeCard("g5.xlarge", 4, 16384, "NVIDIA A10G", 1, 24576, 1_006_000, "USD", True, 240)


class FakeController:
    """One controller; the test pulls the levers and looks at `requests`.

    Attributes:
        requests: what was asked, in order: (method, claim's name, body).
        hold_put: a PUT waits for this event before it is carried out.
        lose_put: a PUT is carried out, and the connection dies before the answer.
        refuse_put: a PUT is refused with this error.
        hold_stops: stops are not answered before it is set.
        late_puts: a PUT is kept here and not answered, for `carry_out_late`.
        frozen: what happens is not told to the stream.
        saves: the machine is off as soon as it is stopped; else when `power_off` says so.
    """

    def __init__(self, token: str = TOKEN) -> None:
        self.token = token
        self.claims: dict[str, ClaimView] = {}
        self.environments: dict[str, dict] = {}
        self.commands: dict[str, list] = {}
        self.sizes = [T4, A10]
        self.observed = True
        self.number = 40
        self.requests: list[tuple[str, str, dict]] = []
        self.hold_put: asyncio.Event | None = None
        self.put_seen = asyncio.Event()
        self.lose_put = False
        self.refuse_put: GpuspawnerError | None = None
        self.late_puts: list[tuple[str, dict]] | None = None
        self.hold_stops: asyncio.Event | None = None
        self.refuse_stops = False
        self.off_at_once = True
        self.connections = 0
        self.snapshots_held: asyncio.Event | None = None
        self.changed = asyncio.Event()
        self._streams: set[asyncio.Queue] = set()
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def open(self, port: int = 0) -> FakeController:
        app = web.Application()
        app.router.add_get("/{prefix:.*}api/v1/claims", self._watch)
        app.router.add_put("/{prefix:.*}api/v1/claims/{name}", self._answer(self._put))
        app.router.add_get("/{prefix:.*}api/v1/claims/{name}", self._answer(self._get))
        app.router.add_delete("/{prefix:.*}api/v1/claims/{name}", self._answer(self._delete))
        app.router.add_post("/{prefix:.*}api/v1/claims/{name}/stop", self._answer(self._stop))
        self._runner = web.AppRunner(app, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        return self

    @property
    def is_open(self) -> bool:
        return self._runner is not None

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1"

    async def close(self) -> None:
        if self._runner is not None:
            self.drop_streams()
            await self._runner.cleanup()
            self._runner = None

    # -- levers -----------------------------------------------------------------------------

    def only(self) -> ClaimView:
        (view,) = self.claims.values()
        return view

    def change(self, name: str | None = None, **changes) -> ClaimView:
        view = self.claims[name] if name else self.only()
        self._set(_with(view, **changes))
        return self.claims[view.name]

    def happens(
        self, stage: Stage, text: str, *, name: str | None = None, after: float = 0
    ) -> None:
        view = self.claims[name] if name else self.only()
        at = view.desired_at + timedelta(seconds=after)
        history = (*view.history, Progress(at, stage, say(text)))
        self._set(_with(view, stage=stage, history=history))

    def up(self, url: str, name: str | None = None) -> None:
        self.happens(Stage.READY, "The server is up.", name=name)
        self.change(name, url=url, power=Power.RUNNING, size="g4dn.xlarge", zone="a")

    def ends(self, reason: Reason, text: str, *, billed: bool = False) -> None:
        self.change(desired=Desired.STOPPED, reason=reason, because=say(text), billed=billed)

    def power_off(self, name: str | None = None) -> None:
        self.change(name, billed=False, power=Power.STOPPED, url=None)

    def forget(self, name: str) -> None:
        del self.claims[name]
        self.tell({"type": "forgotten", "name": name})

    def see_the_cloud(self) -> None:
        self.observed = True
        self.tell({"type": "observed"})

    def tell(self, event: dict, *, skip: int = 0) -> None:
        self.number += 1 + skip
        for stream in self._streams:
            stream.put_nowait(event | {"number": self.number})

    def lose_an_event(self) -> None:
        self.number += 1

    async def carry_out_late(self) -> None:
        """Do what was asked while nobody waits for the answer any more."""
        late, self.late_puts = self.late_puts or [], None
        for name, body in late:
            await self._put(name, body)

    def drop_streams(self) -> None:
        for stream in self._streams:
            stream.put_nowait(None)

    async def until(self, predicate) -> None:
        while not predicate():
            self.changed.clear()
            await self.changed.wait()

    def asked(self, method: str) -> list[dict]:
        return [body for verb, _, body in self.requests if verb == method]

    # -- the protocol -----------------------------------------------------------------------

    def _answer(self, work):
        async def handler(request: web.Request) -> web.Response:
            if request.headers.get("Authorization") != f"Bearer {self.token}":
                return web.json_response({"error": "http-403"}, status=403)
            body = await request.json() if request.can_read_body else {}
            name = request.match_info["name"]
            self.requests.append((request.method, name, body))
            self.changed.set()
            try:
                view = await work(name, body)
            except GpuspawnerError as error:
                return web.json_response(
                    {
                        "error": error.code,
                        "reason": error.reason.value,
                        "sentence": error.public.to_json(),
                    },
                    status=STATUS.get(error.code, 503),
                )
            if view is None:
                request.transport.abort()
                return web.Response()
            return web.json_response(view.to_json())

        return handler

    async def _put(self, name: str, body: dict) -> ClaimView | None:
        self.put_seen.set()
        if self.hold_put is not None:
            await self.hold_put.wait()
        if self.refuse_put is not None:
            raise self.refuse_put
        if self.late_puts is not None:
            self.late_puts.append((name, body))
            return None
        known = self.claims.get(name)
        self.environments[name], self.commands[name] = body["environment"], body["command"]
        owner = body["owner"]
        view = ClaimView(
            name=name,
            owner=Owner(owner["user_id"], owner["user_name"], owner["server_name"]),
            specification=Specification.from_json(body["specification"]),
            desired=Desired.RUNNING,
            generation=known.generation + 1 if known else 1,
            desired_at=datetime.now(timezone.utc),
            billed=True,
            start_by=datetime.fromisoformat(body["start_by"]),
            stage=Stage.CAPACITY,
        )
        self._set(view)
        return None if self.lose_put else view

    async def _get(self, name: str, _body: dict) -> ClaimView:
        if name not in self.claims:
            raise ClaimNotFound(name)
        return self.claims[name]

    async def _stop(self, name: str, body: dict) -> ClaimView:
        if self.refuse_stops:
            raise GpuspawnerError("no")
        if self.hold_stops is not None:
            await self.hold_stops.wait()
        if name not in self.claims:
            raise ClaimNotFound(name)
        view = self.claims[name]
        if body["generation"] not in (None, view.generation):
            raise GenerationMismatch(name)
        if view.desired is Desired.RUNNING:
            self.change(
                name,
                desired=Desired.STOPPED,
                reason=Reason(body["reason"]),
                billed=not self.off_at_once,
            )
        return self.claims[name]

    async def _delete(self, name: str, _body: dict) -> ClaimView:
        if self.refuse_stops:
            raise GpuspawnerError("no")
        if name not in self.claims:
            raise ClaimNotFound(name)
        return self.change(name, desired=Desired.DELETED, billed=False)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        self.connections += 1
        self.changed.set()
        if self.snapshots_held is not None:
            await self.snapshots_held.wait()
        response = web.StreamResponse()
        await response.prepare(request)
        queue: asyncio.Queue = asyncio.Queue()
        snapshot = {
            "type": "snapshot",
            "number": self.number,
            "observed": self.observed,
            "claims": [view.to_json() for view in self.claims.values()],
            "sizes": [card.to_json() for card in self.sizes],
        }
        queue.put_nowait(snapshot)
        self._streams.add(queue)
        try:
            while (event := await queue.get()) is not None:
                await response.write(json.dumps(event).encode() + b"\n")
        except ConnectionError:
            pass
        finally:
            self._streams.discard(queue)
        return response

    def _set(self, view: ClaimView) -> None:
        self.claims[view.name] = view
        self.tell({"type": "claim", "claim": view.to_json()})
        self.changed.set()


def _with(view: ClaimView, **changes) -> ClaimView:
    values = {name: getattr(view, name) for name in ClaimView.__slots__}
    return ClaimView(**(values | changes))

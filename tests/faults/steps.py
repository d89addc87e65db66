"""Inside the process under test: write down each step, and die exactly where the test says.

A step is a request to the cloud (by its action), a transaction that writes (by the function that was
run in it) or, in the hub, a request to the controller or a commit of the hub's own (by the function
of JupyterHub that commits). It is named by what it is and the how-manieth of its kind since the
test armed, since the order of what goes on side by side is not always the same.

`CAMPUS_STEPS` is the file that steps are appended to, a JSON object a line. Beside it, `….kill`
holds what the test wants: `{"id": …}` to count from now on, and with `what`, `ordinal` and `point`
to die there by SIGKILL, as the power would be cut. The points of a request: `before` it is sent,
`acted` when the other side has acted and its answer has not been read, `after` when it has. Of a
commit: `before` and `after`.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import threading
from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

CLOUD, COMMIT, CONTROLLER = "cloud", "commit", "controller"
POINTS = {
    CLOUD: ("before", "acted", "after"),
    COMMIT: ("before", "after"),
    CONTROLLER: ("before", "acted", "after"),
}
QUIET = frozenset({"heartbeats"})
"""Transactions of the controller that are no step of anybody's start or stop."""
HUB_QUIET = ("get_current_user_token", "update_last_activity")
"""The hub's notes of who asked when."""


@dataclass
class Watch:
    """Counts the steps of this process since it was armed."""

    path: Path
    armed: str = ""
    order: dict = field(default_factory=dict)
    counts: Counter = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, kind: str, what: str) -> int:
        """A step begins: which of its kind it is; 0 when nobody counts."""
        if what.endswith(HUB_QUIET):
            return 0
        with self.lock:
            self._arm()
            if not self.armed:
                return 0
            self.counts[kind, what] += 1
            ordinal = self.counts[kind, what]
            line = {"id": self.armed, "kind": kind, "what": what, "ordinal": ordinal}
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        self.reach(kind, what, ordinal, "before")
        return ordinal

    def reach(self, kind: str, what: str, ordinal: int, point: str) -> None:
        """Die here, if here it is."""
        order = self.order
        if ordinal and (order.get("kind"), order.get("what"), order.get("ordinal"), order.get("point")) == (
            kind, what, ordinal, point,
        ):  # fmt: skip
            with self.path.open("a", encoding="utf-8") as file:
                file.write(
                    json.dumps({"id": self.armed, "died": [kind, what, ordinal, point]}) + "\n"
                )
                file.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    def _arm(self) -> None:
        try:
            order = json.loads(self.path.with_suffix(".kill").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            order = {}
        if order.get("id", "") != self.armed:
            self.armed, self.order = order.get("id", ""), order
            self.counts.clear()


def _watch() -> Watch | None:
    path = os.environ.get("CAMPUS_STEPS")
    return Watch(Path(path)) if path else None


def watch_controller() -> None:
    """Watch the requests to the cloud and the transactions of this controller."""
    watch = _watch()
    if watch is not None:
        _watch_cloud(watch)
        _watch_azure(watch)
        _watch_transactions(watch)


def _watch_cloud(watch: Watch) -> None:
    from botocore import client, httpsession  # noqa: PLC0415

    here = threading.local()
    call, send = client.BaseClient._make_api_call, httpsession.URLLib3Session.send

    @functools.wraps(call)
    def watched_call(self, operation_name, api_params):
        # The check of the account, which a controller makes at its start, changes nothing.
        counts = not api_params.get("DryRun")
        step = (CLOUD, operation_name, watch.begin(CLOUD, operation_name) if counts else 0)
        here.step = step
        try:
            answer = call(self, operation_name, api_params)
        finally:
            here.step = None
        watch.reach(*step, "after")
        return answer

    @functools.wraps(send)
    def watched_send(self, request):
        answer = send(self, request)
        if getattr(here, "step", None):
            watch.reach(*here.step, "acted")
        return answer

    client.BaseClient._make_api_call = watched_call
    httpsession.URLLib3Session.send = watched_send


def _watch_azure(watch: Watch) -> None:
    from azure.core.pipeline.transport import AioHttpTransport  # noqa: PLC0415

    from gpuspawner.providers import azure_calls  # noqa: PLC0415

    turn, send = azure_calls.Calls._turn, AioHttpTransport.send
    here: ContextVar[tuple[str, str, int] | None] = ContextVar("azure step", default=None)

    @functools.wraps(turn)
    async def watched_turn(self, action, call):
        step = (CLOUD, action, watch.begin(CLOUD, action))
        token = here.set(step)
        try:
            answer = await turn(self, action, call)
        finally:
            here.reset(token)
        watch.reach(*step, "after")
        return answer

    @functools.wraps(send)
    async def watched_send(self, request, **options):
        answer = await send(self, request, **options)
        step = here.get()
        # A token is fetched on the way, too: that is no request to Azure's own interface.
        if step and "/subscriptions/" in request.url:
            watch.reach(*step, "acted")
        return answer

    azure_calls.Calls._turn = watched_turn
    AioHttpTransport.send = watched_send


def _watch_transactions(watch: Watch) -> None:
    from gpuspawner.store import database  # noqa: PLC0415

    run = database.Database.run

    @functools.wraps(run)
    async def watched_run(self, fn, *args, **kwargs):
        what = fn.__name__.lstrip("_")
        if what == "report":
            what = f"report {args[1].stage}"  # how far the machine's agent is
        if what in QUIET:
            return await run(self, fn, *args, **kwargs)
        step: list[int] = []

        def body(connection, *args, **kwargs):
            result = fn(connection, *args, **kwargs)
            if connection.info.get(database._WROTE):
                step.append(watch.begin(COMMIT, what))
            return result

        result = await run(self, body, *args, **kwargs)
        if step:
            watch.reach(COMMIT, what, step[0], "after")
        return result

    database.Database.run = watched_run


def watch_hub() -> None:
    """Watch the requests to the controller and the commits of this hub."""
    watch = _watch()
    if watch is None:
        return
    import aiohttp  # noqa: PLC0415
    from sqlalchemy import event  # noqa: PLC0415
    from sqlalchemy.orm import Session  # noqa: PLC0415

    from gpuspawner import client  # noqa: PLC0415

    request, send = client.ControllerClient._request, aiohttp.ClientSession._request
    here: ContextVar[tuple[str, str, int] | None] = ContextVar("step", default=None)

    @functools.wraps(request)
    async def watched_request(self, method, path, *args, **kwargs):
        what = f"{method} claims{'/stop' if path.endswith('/stop') else ''}"
        step = (CONTROLLER, what, watch.begin(CONTROLLER, what))
        token = here.set(step)
        try:
            answer = await request(self, method, path, *args, **kwargs)
        finally:
            here.reset(token)
        watch.reach(*step, "after")
        return answer

    @functools.wraps(send)
    async def watched_send(self, *args, **kwargs):
        answer = await send(self, *args, **kwargs)
        step = here.get()
        if step:
            watch.reach(*step, "acted")
        return answer

    client.ControllerClient._request = watched_request
    aiohttp.ClientSession._request = watched_send
    open_steps: dict[int, tuple[str, int]] = {}

    def before(session):
        if session.dirty or session.new or session.deleted or session.info.get("flushed"):
            what = _caller()
            open_steps[id(session)] = (what, watch.begin(COMMIT, what))

    def after(session):
        session.info["flushed"] = False
        step = open_steps.pop(id(session), None)
        if step:
            watch.reach(COMMIT, *step, "after")

    event.listen(Session, "after_flush", lambda session, _: session.info.update(flushed=True))
    event.listen(Session, "before_commit", before)
    event.listen(Session, "after_commit", after)


def _caller() -> str:
    """The function of JupyterHub that commits."""
    frame = sys._getframe(2)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name.startswith("jupyterhub."):
            return f"{name.removeprefix('jupyterhub.')}.{frame.f_code.co_name}"
        frame = frame.f_back
    return "?"

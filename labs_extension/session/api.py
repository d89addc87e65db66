"""`gpuspawner/api/session`: what the student is shown of their session, and their buttons.

Nothing here is activity of the server's; a button is the act of a person, for the sensors.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from labs_extension.clock import Clock
from labs_extension.handler import LabsHandler
from labs_extension.session.activity import Activity
from labs_extension.session.relay import Controller
from labs_extension.session.sentences import giving_up

LARGEST_SESSION = 64 << 10
LONGEST_NAME = 128
MOST_DOCUMENTS = 10_000


class SessionHandler(LabsHandler):
    """What the agent wrote last, and who we are."""

    def initialize(
        self, activity: Activity, controller: Controller, file: Path | None, clock: Clock
    ) -> None:
        """What it reads from."""
        self._activity = activity
        self._controller = controller
        self._session_file = file
        self._clock = clock

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer from the file."""
        said = read_session(self._session_file)
        session = said.get("session")
        if isinstance(session, dict) and isinstance(session.get("save"), str):
            self._activity.asked_to_save(session["save"])
        now = datetime.fromtimestamp(self._clock.now(), timezone.utc)
        # The agent speaks no language: what the controller cannot say any more is said here.
        sentence = said.get("sentence") or giving_up(said.get("reason"))
        self.answer(
            {
                **said,
                **({"sentence": sentence} if sentence else {}),
                "server_time": now.isoformat(timespec="milliseconds"),
                "claim": self._controller.claim or None,
                "generation": self._controller.generation,
                "hub_prefix": self._controller.hub_prefix or None,
                "managed": bool(self._controller.url and self._controller.claim),
            }
        )


class ActHandler(LabsHandler):
    """A button: `keep`, `lease` or `stop`."""

    def initialize(self, activity: Activity, controller: Controller) -> None:
        """What it tells."""
        self._activity = activity
        self._controller = controller

    @web.authenticated
    @authorized
    async def post(self, act: str) -> None:
        """Relay it, and answer what the controller answers."""
        self._activity.person("click")
        status, body = await self._controller.ask(act)
        self.answer(body, status)


class ReportHandler(LabsHandler):
    """The base of what a front end reports by itself."""

    def initialize(self, activity: Activity, write: Callable[[], None]) -> None:
        """What it tells; `write` has the agent know at once."""
        self._activity = activity
        self._write = write

    def body(self) -> dict[str, Any]:
        """The request's JSON object; as text too, since a page that is closed can send no JSON.

        Raises:
            web.HTTPError: it is none.
        """
        try:
            said = json.loads(self.request.body)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            raise web.HTTPError(400, "a JSON object is needed")
        return said

    def done(self) -> None:
        """Have it written, and answer."""
        self._write()
        self.set_status(204)
        self.finish()


class TabHandler(ReportHandler):
    """A front end is open, or is about to be closed."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Remember it."""
        said = self.body()
        self._activity.report_tab(
            _name(said, "id"),
            visible=said.get("visible") is True,
            unsaved=_count(said, "unsaved"),
            closed=said.get("closed") is True,
        )
        self.done()


class SavedHandler(ReportHandler):
    """A front end has saved what it had open, as it was asked to."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Remember it."""
        said = self.body()
        failed = said.get("failed", [])
        if not isinstance(failed, list) or not all(isinstance(one, str) for one in failed):
            raise web.HTTPError(400, "'failed' is a list of paths")
        tab = _name(said, "id") if "id" in said else ""
        paths = tuple(path[:1024] for path in failed)
        self._activity.answer(_name(said, "request"), tab, _count(said, "documents"), paths)
        self.done()


def read_session(file: Path | None) -> dict[str, Any]:
    """What the agent wrote last; empty when there is nothing that makes sense."""
    if file is None:
        return {}
    try:
        with file.open("rb") as opened:
            said = json.loads(opened.read(LARGEST_SESSION))
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _name(said: dict[str, Any], key: str) -> str:
    value = said.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME:
        raise web.HTTPError(400, f"{key!r} is a text of at most {LONGEST_NAME} characters")
    return value


def _count(said: dict[str, Any], key: str) -> int:
    value = said.get(key, 0)
    if not isinstance(value, int) or not 0 <= value <= MOST_DOCUMENTS:
        raise web.HTTPError(400, f"{key!r} is a number from 0 to {MOST_DOCUMENTS}")
    return value

"""`gpuspawner/api/outputs`, and the one address of the server's where notebooks are read."""

from __future__ import annotations

import re
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import path_regex
from jupyter_server.services.contents.handlers import ContentsHandler
from tornado import web
from tornado.routing import PathMatches, Rule

from labs_extension.handler import LabsHandler
from labs_extension.outputs.keeper import Keeper


class OutputsHandler(LabsHandler):
    """What a page is to show of cells that it has not run itself, or not heard to the end."""

    def initialize(self, keeper: Keeper) -> None:
        """What it asks."""
        self._keeper = keeper

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer for the notebook of a session, and the page that has it open."""
        session, kernel, page = map(self.get_query_argument, ("session", "kernel", "page"))
        try:
            after = int(self.get_query_argument("after", "0"))
        except ValueError:
            raise web.HTTPError(400, "'after' is a number") from None
        self.answer(await self._keeper.news(session, kernel, page, after))


def start_keeping(server: Any, keeper: Keeper) -> list[Any]:
    """Begin, and return the addresses; to be called when the server's own are set up."""
    _write_before_reading(server.web_app, server.base_url, keeper)
    keeper.start()
    return [("gpuspawner/api/outputs", OutputsHandler, {"keeper": keeper})]


def _write_before_reading(web_app: Any, base_url: str, keeper: Keeper) -> None:
    """Have what is not in a notebook's file yet written before the file is read."""

    class WrittenFirst(ContentsHandler):
        """The server's own handler, told of before it reads."""

        @web.authenticated
        @authorized
        async def get(self, path: str = "") -> None:
            """Write, then read."""
            if self.get_query_argument("content", "1") != "0":
                await keeper.before_reading(path.strip("/"))
            answered = super().get(path)
            if answered is not None:
                await answered

    address = rf"{re.escape(base_url.rstrip('/'))}/api/contents{path_regex[:-1]}\.ipynb)$"
    web_app.default_router.rules.insert(0, Rule(PathMatches(address), WrittenFirst))

"""Keeps the outputs of cells whose page is away: when what is heard, written and told.

While a page is connected to a kernel, its page writes its notebook. While none is, we do: every
`every` seconds, before anybody reads the notebook, and when the server ends: then the kernels end
first, so that nothing they say is said too late.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_server.utils import ensure_async
from tornado.ioloop import PeriodicCallback

from labs_extension.automatic import is_automatic
from labs_extension.outputs.listen import Kernels, Pages, hear_pages, sources
from labs_extension.outputs.records import Records
from labs_extension.outputs.writer import Writer


class Keeper:
    """What ties the others together.

    Args:
        server: the Jupyter server's application.
        every: seconds from one writing to the next, and from a page's leaving to the first.
    """

    def __init__(self, server: Any, records: Records, *, every: float) -> None:
        self._server = server
        self._records = records
        self._kernels = Kernels(server.kernel_manager, self._hear, self._failed)
        self._writer = Writer(server, records, self._failed)
        self._complained: set[str] = set()
        self._disturbed: set[str] = set()
        self._timer = PeriodicCallback(self.tick, every * 1000)

    def start(self) -> None:
        """Begin to listen. To be called when the server's addresses are set up."""
        contents = self._server.contents_manager
        pages = Pages(self._records, self._kernels.listen, self._disturbed.add, self._failed)
        try:
            hear_pages(self._server.web_app.settings, pages)
            contents.register_pre_save_hook(self._before_save)
        except Exception as error:  # noqa: BLE001 - the server must go on without us
            self._failed("running cells", error)
        self._timer.start()

    async def tick(self) -> None:
        """Write what no page can, unless one has just gone, or is just coming."""
        for kernel in self._kernels.gone():
            self._records.gone(kernel)
        disturbed = set(self._disturbed)
        self._disturbed.clear()
        await self._writer.write(
            lambda run: (
                not self._records.there(run.kernel)
                and run.kernel not in disturbed
                and disturbed.isdisjoint(run.paths)
            )
        )

    async def before_reading(self, path: str) -> None:
        """A page is about to read this file, and perhaps to open it."""
        self._disturbed.add(path)
        await self._writer.write(
            lambda run: not self._records.there(run.kernel) and path in run.paths
        )

    async def news(self, session: str, kernel: str, page: str, after: int) -> dict[str, Any]:
        """What a page is to show that it cannot have.

        Raises:
            tornado.web.HTTPError: there is no such session.
        """
        path = await self._writer.page_is_of(session, kernel, page)
        runs, coming = self._records.news(kernel, page, path, after)
        returned = self._records.has_returned(kernel, page)
        return {
            "version": self._records.version,
            "coming": coming,
            "rewritten": self._writer.rewritten(path) if returned else None,
            "cells": [
                {
                    "id": run.cell,
                    "source": run.code,
                    "request": run.name,
                    "outputs": run.outputs.as_notebook(),
                    "execution_count": run.count,
                    "finished": run.finished,
                }
                for run in runs
            ],
        }

    async def close(self) -> None:
        """Write what is in no file yet, end the kernels, and write what they said until then.

        The server would end them next, unheard: what is printed meanwhile, also by a cell that is
        told to end and tidies up, would be on the page and not in the file. The first writing is for
        a kernel that does not end before the server's own time is over.
        """
        self._timer.stop()
        await self._writer.write(lambda _: True)
        try:
            await ensure_async(self._server.kernel_manager.shutdown_all())
        except Exception as error:  # noqa: BLE001 - what was heard until now is to be written
            self._failed("what kernels say at their end", error)
        self._kernels.close()
        await self._writer.write(lambda _: True)

    def _hear(self, kernel_id: str, message: Mapping[str, Any], size: int) -> None:
        if self._records.hear(kernel_id, message, size):
            self._server.kernel_manager.stop_buffering(kernel_id)
            self._records.given_up(kernel_id)

    def _before_save(self, model: dict[str, Any], path: str, **_: Any) -> None:
        if not is_automatic():
            self._writer.saved(path)
            self._records.saved(path, sources(model))

    def _failed(self, what: str, error: Exception) -> None:
        if what not in self._complained:
            self._complained.add(what)
            self._server.log.error("gpuspawner cannot keep %s", what, exc_info=error)

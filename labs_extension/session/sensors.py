"""Writes what the server sees to the file that the agent reads; docs/explain/protocols.md has its form.

What cannot be seen is null and is said once in the log: an internal of Jupyter's that has changed
must neither end the server nor look like a machine that nobody uses.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tornado.ioloop import PeriodicCallback

from labs_extension.session.activity import Activity
from labs_extension.session.kernels import Kernels
from labs_extension.session.listen import (
    Documents,
    Pages,
    hear_kernels,
    hear_terminals,
)

VERSION = 1


class Sensors:
    """What the server sees, and the file.

    Args:
        server: the Jupyter server's application.
        file: where to write; None: nobody reads it, so nothing is written.
        every: seconds from one writing to the next.
    """

    def __init__(
        self, server: Any, activity: Activity, kernels: Kernels, file: Path | None, *, every: float
    ) -> None:
        self._server = server
        self._activity = activity
        self._kernels = kernels
        self._file = file
        self._pages = Pages(activity)
        self._name = secrets.token_hex(8)
        self._sequence = 0
        self._failed: set[str] = set()
        self._timer = PeriodicCallback(self.write, every * 1000)

    def start(self) -> None:
        """Begin to listen and to write. To be called when the server's addresses are set up."""
        web_app = self._server.web_app
        documents = Documents(self._activity)

        def cells() -> None:
            hear_kernels(web_app.settings, self._activity, self._pages, self.failed)

        def terminals() -> None:
            base_url = self._server.base_url
            hear_terminals(web_app, base_url, self._activity, self._pages, self.failed)

        def saves() -> None:
            self._server.contents_manager.register_pre_save_hook(documents.before_save)

        for what, listen in (("cells", cells), ("terminals", terminals), ("saves", saves)):
            self._try(what, listen)
        if self._file is not None:
            self.write()
            self._timer.start()

    def stop(self) -> None:
        """Write no more."""
        self._timer.stop()

    def read(self) -> dict[str, Any]:
        """What is seen now. Ages in seconds; null for never, and for what cannot be seen."""
        self._sequence += 1
        # Whoever cannot be heard may be there: then it is not known when anybody last was.
        deaf = bool(self._failed & {"cells", "terminals", "saves"})
        age, kind = self._activity.human()
        kernels = self._try("kernels", lambda: self._kernels.look(self._server.kernel_manager))
        connected = bool(self._pages)
        return {
            "version": VERSION,
            "server": self._name,
            "sequence": self._sequence,
            "human_age": None if deaf else _rounded(age),
            "human_kind": None if deaf else kind,
            "kernels": kernels and {**kernels, "busy_age": _rounded(kernels["busy_age"])},
            "output_age": _rounded(self._kernels.output_age()),
            "terminals": self._try("terminal list", self._terminals),
            "tabs": _ages_rounded(self._activity.tabs(connected)),
            "unsaved": self._activity.unsaved(),
            "saved": self._activity.saving(),
        }

    def write(self) -> None:
        """Write it, all or nothing; an agent that reads meanwhile reads the last one."""
        if self._file is not None:
            self._try("file", self._write)

    def failed(self, what: str, error: Exception) -> None:
        """`what` cannot be seen, for this reason; say so once."""
        if what not in self._failed:
            self._failed.add(what)
            self._server.log.error("gpuspawner cannot see %s", what, exc_info=error)

    def _write(self) -> None:
        assert self._file is not None
        new = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        new.write_text(json.dumps(self.read(), allow_nan=False), encoding="utf-8")
        new.replace(self._file)

    def _terminals(self) -> int:
        manager = self._server.web_app.settings.get("terminal_manager")
        return 0 if manager is None else len(manager.terminals)

    def _try(self, what: str, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except Exception as error:  # noqa: BLE001 - see above
            self.failed(what, error)
            return None


def _rounded(age: float | None) -> float | None:
    return None if age is None else round(age, 1)


def _ages_rounded(tabs: dict[str, Any]) -> dict[str, Any]:
    return {**tabs, "closed_age": _rounded(tabs["closed_age"])}

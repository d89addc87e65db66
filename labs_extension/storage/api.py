"""`gpuspawner/api/storage`: the room in the home, and what is not in it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from labs_extension.clock import Clock
from labs_extension.handler import LabsHandler
from labs_extension.kernels import launch
from labs_extension.storage import places, sentences

KEEP_SECONDS = 20.0
"""So long an answer holds: looking reads folders, and every open page asks."""


@dataclass
class Storage:
    """Looks, at most every `KEEP_SECONDS`.

    Args:
        home: the student's.
        folders: of temporary disks.
        least: bytes from which on something in them is worth a word.
    """

    home: Path
    folders: Sequence[str]
    least: int
    clock: Clock
    _seen: tuple[float, dict[str, Any]] | None = None

    def report(self) -> dict[str, Any]:
        """What is where; in a thread, since it waits for disks."""
        now = self.clock.monotonic()
        if self._seen is None or now - self._seen[0] > KEEP_SECONDS:
            self._seen = (now, self._look())
        return self._seen[1]

    def _look(self) -> dict[str, Any]:
        found = places.temporary(self.folders, os.getuid(), self.least)
        room = places.room(self.home)
        older = places.left_behind(launch.folder(os.environ, self.home))
        said = [
            sentences.without_settings() if os.environ.get("GPUSPAWNER_WITHOUT_SETTINGS") else None,
            sentences.nearly_full(room),
            sentences.left_behind(older),
        ]
        return {
            "home": room,
            "temporary": [asdict(one) for one in found],
            "temporary_sentence": sentences.temporary(found),
            "notes": [one for one in said if one],
        }


class StorageHandler(LabsHandler):
    """The report."""

    def initialize(self, storage: Storage) -> None:
        """What it reads from."""
        self._storage = storage

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer without waiting for a disk on the server's loop."""
        loop = asyncio.get_running_loop()
        self.answer(await loop.run_in_executor(None, self._storage.report))

"""Puts outputs into the notebooks' files, through the server's own contents manager.

That reads and writes in threads, keeps checkpoints and signatures, and knows where files are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jupyter_server.utils import ensure_async
from tornado.web import HTTPError

from labs_extension.automatic import automatic
from labs_extension.outputs.notebook import put
from labs_extension.outputs.records import Records
from labs_extension.outputs.runs import Run

Failed = Callable[[str, Exception], None]

TRIES = 5
"""So often a notebook is read again that a page saves in the same moment; then, the next time."""


class Writer:
    """Writes one notebook after the other.

    Args:
        server: the Jupyter server's application, for its managers of contents and sessions.
        failed: is told what does not work, and why; it is tried again.
    """

    def __init__(self, server: Any, records: Records, failed: Failed) -> None:
        self._server = server
        self._records = records
        self._failed = failed
        self._asked: dict[tuple[str, str], str] = {}
        self._lock = asyncio.Lock()
        self._rewritten: dict[str, tuple[str, str]] = {}

    def rewritten(self, path: str) -> dict[str, str] | None:
        """The hashes of a file before we changed it, and now; None if somebody else did so since."""
        pair = self._rewritten.get(path)
        return None if pair is None else {"from": pair[0], "to": pair[1]}

    def saved(self, path: str) -> None:
        """A page saves this notebook."""
        self._rewritten.pop(path, None)

    async def page_is_of(self, session: str, kernel: str, page: str) -> str:
        """The notebook of a page's session with a kernel, which it has told us.

        Raises:
            HTTPError: there is no such session, or it is another kernel's.
        """
        found = await self._server.session_manager.get_session(session_id=session)
        if found["kernel"]["id"] != kernel:
            raise HTTPError(404, "the session is another kernel's")
        self._asked[kernel, page] = session
        path = str(found["path"])
        self._records.belongs(kernel, page, (path,))
        return path

    async def write(self, wanted: Callable[[Run], bool]) -> None:
        """Write what is in no file yet of the runs that are `wanted`."""
        if not self._records.unsaved():
            return
        async with self._lock:
            await self._locate()
            runs = [run for run in self._records.unsaved() if wanted(run)]
            paths = list(dict.fromkeys(path for run in runs for path in run.paths))
            for path in paths:
                mine = [run for run in runs if path in run.paths and not run.is_written]
                await self._try(path, mine)

    async def _try(self, path: str, runs: list[Run]) -> None:
        try:
            for _ in range(TRIES):
                if await self._put(path, runs):
                    return
        except Exception as error:  # noqa: BLE001 - a disk may be full, a file may be gone
            self._failed(f"the outputs of {path}", error)

    async def _put(self, path: str, runs: list[Run]) -> bool:
        """Whether it was written; False if somebody else has just saved the notebook."""
        contents = self._server.contents_manager
        read = contents.get(path, content=True, type="notebook", require_hash=True)
        model = await ensure_async(read)
        versions = {run.name: run.version for run in runs}
        sure = [run for run in runs if len(run.paths) == 1]
        notebook = model["content"]
        changed, strangers = put(notebook, sure, add=True)
        others, elsewhere = put(notebook, (run for run in runs if run not in sure), add=False)
        if (changed or others) and not await self._save(path, notebook, model):
            return False
        for run in runs:
            if run in strangers:
                self._records.drop(run)
            elif run not in elsewhere:
                self._records.wrote(run, versions[run.name])
        return True

    async def _save(self, path: str, notebook: Any, before: Mapping[str, Any]) -> bool:
        contents = self._server.contents_manager
        now = await ensure_async(contents.get(path, content=False))
        if now["last_modified"] != before["last_modified"]:
            return False
        with automatic():
            new = {"type": "notebook", "format": "json", "content": notebook}
            await ensure_async(contents.save(new, path))
        after = await ensure_async(contents.get(path, content=False, require_hash=True))
        ours = self._rewritten.get(path)
        first = ours[0] if ours and ours[1] == before.get("hash") else before.get("hash")
        if first and after.get("hash"):
            self._rewritten[path] = (first, after["hash"])
        return True

    async def _locate(self) -> None:
        """Find out what the notebooks are called now."""
        listed = self._server.session_manager.list_sessions()
        sessions: Iterable[Any] = await ensure_async(listed)
        paths = {one["id"]: str(one["path"]) for one in sessions}
        self._asked = {key: one for key, one in self._asked.items() if one in paths}
        for kernel, page in {(run.kernel, run.page) for run in self._records.unsaved()}:
            asked = self._asked.get((kernel, page))
            if asked is not None:
                self._records.belongs(kernel, page, (paths[asked],))
            else:
                there = [one for one in sessions if one["kernel"]["id"] == kernel]
                found = {str(one["path"]) for one in there if one["type"] == "notebook"}
                # A console's cells are in no notebook.
                if found and len(there) == len(found):
                    self._records.belongs(kernel, page, tuple(sorted(found)))

"""Who has which output: the runs of cells, the pages that ran them, and what is in a file.

A page takes the outputs of what it ran itself, and no others: JupyterLab drops those of another
page's run. While the last page of a kernel is away, Jupyter keeps the kernel's messages for that one
page (`MappingKernelManager.start_buffering`), and throws them away when another one comes. What it
sent before it noticed that a page had gone is lost to that page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from labs_extension.clock import Clock
from labs_extension.outputs.cell import Outputs, display_of
from labs_extension.outputs.runs import Pages, Run

MOST_RUNS = 1000
"""So many runs are remembered; a notebook of that many cells that are all run at once is rare."""

SILENCE_SECONDS = 150.0
"""A connection that was cut without a word is noticed within so long: Jupyter asks a page every 30 s
whether it is there, and waits 90 s at most for the answer (`WebSocketMixin.ping_timeout`)."""

SLOW_SAVE_SECONDS = 30.0
"""What a page saves may be as old as this when it has arrived."""


class Records:
    """Pure: knows neither files nor sockets.

    Args:
        limit: how much of a run's outputs is kept, as in `Outputs`.
        limit_total: how much of all of them; beyond it, what a page has is forgotten first.
        limit_waiting: how many bytes Jupyter may keep for a page that is away.
    """

    def __init__(self, clock: Clock, limit: int, limit_total: int, limit_waiting: int) -> None:
        self._clock = clock
        self._limit = limit
        self._limit_total = limit_total
        self._limit_waiting = limit_waiting
        self._runs: dict[str, Run] = {}
        self._pages: dict[str, Pages] = {}
        self._paths: dict[tuple[str, str], tuple[str, ...]] = {}
        self._total = 0
        self.version = 0

    @property
    def runs(self) -> list[Run]:
        """All that are remembered, oldest first."""
        return list(self._runs.values())

    def there(self, kernel: str) -> bool:
        """Whether a page is connected to the kernel."""
        return bool(self._of(kernel).there)

    def has_returned(self, kernel: str, page: str) -> bool:
        """Whether the page was away, and nothing has happened since that it will not be told of."""
        return page in self._of(kernel).returned

    def belongs(self, kernel: str, page: str, paths: tuple[str, ...]) -> None:
        """What this page runs in this kernel is from one of these notebooks."""
        self._paths[kernel, page] = paths
        for run in self.runs:
            if (run.kernel, run.page) == (kernel, page):
                run.paths = paths

    def asked(
        self, kernel: str, page: str, name: str, metadata: Mapping[str, Any], content: Any
    ) -> None:
        """A page asks to run something; remembered if it is a cell."""
        cell = metadata.get("cellId")
        again = {cell, *(metadata.get("deletedCells") or ())}
        self._forget(run for run in self.runs if run.kernel == kernel and run.cell in again)
        if isinstance(cell, str) and not content.get("silent"):
            code, now = str(content.get("code", "")), self._clock.monotonic()
            paths = self._paths.get((kernel, page), ())
            outputs = Outputs(self._limit)
            self._runs[name] = Run(name, kernel, page, cell, code, outputs, now, now, paths)
            self._bound()

    def hear(self, kernel: str, message: Mapping[str, Any], size: int) -> bool:
        """Take in what the kernel says to all; `size` in bytes.

        Returns:
            Whether Jupyter should keep no more for the page that is away.

        Raises:
            KeyError, ValueError: it is no message of the protocol.
        """
        kind, content = message["header"]["msg_type"], message["content"]
        if kind == "status" and content["execution_state"] in {"starting", "restarting", "dead"}:
            self.ended(kernel)
            return False
        run = self._runs.get((message.get("parent_header") or {}).get("msg_id", ""))
        if run is not None and run.kernel == kernel and not run.finished:
            self._tell(run, kind, content)
        if kind in {"display_data", "update_display_data", "execute_result"}:
            self._change_others(run, kernel, kind, content)
        pages = self._of(kernel)
        pages.kept += size if pages.awaited else 0
        return pages.kept > self._limit_waiting

    def ended(self, kernel: str) -> None:
        """The kernel has started again, or is gone: nothing more comes of what it was asked."""
        for run in self.runs:
            if run.kernel == kernel and not run.finished:
                self._finish(run)

    def gone(self, kernel: str) -> None:
        """The kernel is gone, and its pages with it."""
        self.ended(kernel)
        self._pages.pop(kernel, None)
        self._paths = {key: paths for key, paths in self._paths.items() if key[0] != kernel}

    def came(self, kernel: str, page: str) -> None:
        """A page is connected. If messages were kept for it, it is given them now."""
        pages = self._of(kernel)
        if page in pages.there:  # its last connection was dead, and nobody had noticed
            self._doubt(kernel, page)
        elif page == pages.awaited:
            pages.returned.add(page)
        elif pages.awaited:
            pages.returned.discard(pages.awaited)
        pages.there[page] += 1
        pages.awaited, pages.kept = None, 0
        for run in self.runs:
            if run.kernel != kernel:
                continue
            if run.page not in pages.there:
                self._miss([run])
            elif run.page == page and run.finished and not run.missed:
                run.seen = True
        self._settle()

    def left(self, kernel: str, page: str) -> None:
        """A connection has ended. Messages are kept for its page if it was the last."""
        pages = self._of(kernel)
        pages.there -= Counter([page])
        if page in pages.there:
            return
        self._doubt(kernel, page)
        if pages.there:  # nothing is kept for it, and the others may show what it ran
            pages.returned.discard(page)
            self._miss(self._by(kernel, page))
        else:
            pages.awaited = page

    def given_up(self, kernel: str) -> None:
        """What was kept for the page that is away was thrown away; it gets the outputs from us."""
        pages = self._of(kernel)
        pages.kept = 0
        if pages.awaited:
            self._miss(run for run in self._by(kernel, pages.awaited) if not run.seen)

    def saved(self, path: str, sources: Mapping[str, str]) -> None:
        """A page saves this notebook, with these code cells by id."""
        now = self._clock.monotonic()
        mine = [run for run in self.runs if path in run.paths]
        for run in mine:
            if now - run.asked > SLOW_SAVE_SECONDS or sources.get(run.cell) == run.code:
                run.saved_since = True
        self._forget(run for run in mine if run.seen and now - run.changed > SLOW_SAVE_SECONDS)

    def unsaved(self) -> list[Run]:
        """What is in no file yet, oldest first."""
        return [run for run in self.runs if run.started and not run.is_written]

    def wrote(self, run: Run, version: int) -> None:
        """What `run` had shown at `version` is in its file."""
        run.written = version
        self._settle()

    def drop(self, run: Run) -> None:
        """It has no place any more."""
        self._forget([run])

    def news(self, kernel: str, page: str, path: str, after: int) -> tuple[list[Run], bool]:
        """What a page cannot have of a notebook's runs, and what has changed of it since `after`.

        Returns:
            The runs; and whether there is more to come.
        """
        self._settle()
        there = self._of(kernel).there
        mine = [run for run in self.runs if run.kernel == kernel and path in run.paths]
        strange = [run for run in mine if run.missed or run.page not in there]
        for run in strange:
            run.seen = run.seen or run.finished
        coming = any(not run.finished for run in mine if run.page != page or run.missed)
        changed = [run for run in strange if run.started and run.news > after]
        return changed, coming

    def _tell(self, run: Run, kind: str, content: Mapping[str, Any]) -> None:
        if kind == "execute_input":
            run.started, run.count = True, content.get("execution_count")
            self._change(run)
        elif kind == "status" and content["execution_state"] == "idle":
            self._finish(run)
        elif run.outputs.hear(kind, content):
            self._change(run)

    def _change_others(
        self, run: Run | None, kernel: str, kind: str, content: Mapping[str, Any]
    ) -> None:
        """What has a display id changes wherever it is shown."""
        display = display_of(content)
        if display is None:
            return
        for one in self.runs:
            new = one is run and kind != "update_display_data"
            if one.kernel == kernel and not new and one.outputs.change(display, content):
                self._change(one)

    def _finish(self, run: Run) -> None:
        if not run.started:  # a cell before it failed, or the kernel is gone
            self._forget([run])
            return
        run.finished = True
        run.seen = not run.missed and run.page in self._of(run.kernel).there
        self._change(run)

    def _change(self, run: Run) -> None:
        self.version += 1
        run.version = run.news = self.version
        run.changed = self._clock.monotonic()
        self._total += run.outputs.size - run.weight
        run.weight = run.outputs.size
        self._bound()

    def _doubt(self, kernel: str, page: str) -> None:
        """Whatever was sent to the page in the last minutes may never have arrived."""
        oldest = self._clock.monotonic() - SILENCE_SECONDS
        self._miss(run for run in self._by(kernel, page) if run.changed >= oldest)

    def _miss(self, runs: Iterable[Run]) -> None:
        for run in runs:
            self.version += 1
            run.missed, run.seen, run.news = True, False, self.version

    def _by(self, kernel: str, page: str) -> list[Run]:
        return [run for run in self.runs if (run.kernel, run.page) == (kernel, page)]

    def _of(self, kernel: str) -> Pages:
        return self._pages.setdefault(kernel, Pages())

    def _settle(self) -> None:
        """Forget what is in the file, and will not be asked for by its page."""
        for run in self.runs:
            pages = self._of(run.kernel)
            waits = run.missed and not run.seen and run.page in pages.there
            if run.finished and run.is_written and run.page != pages.awaited and not waits:
                self._forget([run])

    def _forget(self, runs: Iterable[Run]) -> None:
        for run in list(runs):
            if self._runs.pop(run.name, None) is not None:
                self._total -= run.weight

    def _bound(self) -> None:
        if self._total <= self._limit_total and len(self._runs) <= MOST_RUNS:
            return
        for run in sorted(self.runs, key=lambda run: (not run.seen, not run.finished)):
            self._of(run.kernel).returned.discard(run.page)
            self._forget([run])
            if self._total <= self._limit_total and len(self._runs) <= MOST_RUNS:
                return

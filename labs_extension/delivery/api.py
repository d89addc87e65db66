"""`gpuspawner/api/course`: what became of the course's files when this server started."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from jupyter_server.auth.decorator import authorized
from tornado import web

from labs_extension.delivery.deliver import Report
from labs_extension.delivery.sentences import problem
from labs_extension.handler import LabsHandler


class CourseHandler(LabsHandler):
    """The report; see docs/lab.md for its keys."""

    def initialize(self, report: Report | None, home: Path, root: Callable[[], Path]) -> None:
        """What it tells; `root` is where the file browser begins."""
        self._report = report
        self._home = home
        self._root = root

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer what was found at the start; no course, no files."""
        report = self._report
        if report is None:
            self.answer({"folder": None, "files": []})
            return
        self.answer(
            {
                "folder": report.folder,
                "in_browser": self._in_browser(),
                "delivered_at": report.at,
                "commit": report.commit or None,
                "problem": problem(report.problem),
                "detail": report.detail or None,
                "files": [asdict(one) for one in report.files],
            }
        )

    def _in_browser(self) -> bool:
        """Whether the files' paths are those of the file browser: it begins at the home."""
        return self._home.resolve() == self._root().resolve()

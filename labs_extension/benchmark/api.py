"""`gpuspawner/api/benchmarks` and `gpuspawner/api/results`."""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from labs_extension.benchmark.compare import Classmates
from labs_extension.benchmark.plan import BACKENDS, SCALES, chosen
from labs_extension.benchmark.results import read_all
from labs_extension.benchmark.runs import AlreadyRunning, BenchmarkRun, Runs
from labs_extension.benchmark.sentences import named, told
from labs_extension.clock import Clock
from labs_extension.handler import LabsHandler
from labs_extension.language import _, say

_BUSY = _("A benchmark is running already. Wait until it ends, or cancel it.")
_WRONG = _("This cannot be measured: {what}. Choose from the list in the documentation.")
_UNKNOWN = _("There is no such benchmark any more. Start a new one.")
_BROKEN = _("The benchmark cannot be started. Tell your administrator to look at kernel_python.")


class BenchmarksHandler(LabsHandler):
    """All runs; `POST` starts one."""

    def initialize(self, runs: Runs, clock: Clock) -> None:
        """What it reads from."""
        self._runs = runs
        self._clock = clock

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """The last runs, newest first."""
        self.answer({"benchmarks": [_shown(run) for run in self._runs.all()]})

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Start one: 202 with it, 400 when it makes no sense, 409 when one is running."""
        self.act_of_a_person()
        try:
            scale, items, backend = _wanted(self.request.body)
        except ValueError as error:
            self.answer({"sentence": say(_WRONG, what=str(error)[:200])}, 400)
            return
        name = f"{int(self._clock.now())}-{secrets.token_hex(4)}"
        environment = {"KERAS_BACKEND": backend} if backend else {}
        try:
            run = await self._runs.start(name, scale, items, environment)
        except AlreadyRunning:
            self.answer({"sentence": say(_BUSY)}, 409)
            return
        except OSError as error:
            self.log.warning("the benchmark cannot be started: %s", error)
            self.answer({"sentence": say(_BROKEN)}, 500)
            return
        self.answer(_shown(run), 202)


class BenchmarkHandler(LabsHandler):
    """One run; `DELETE` cancels it."""

    def initialize(self, runs: Runs) -> None:
        """What it reads from."""
        self._runs = runs

    @web.authenticated
    @authorized
    async def get(self, name: str) -> None:
        """How far it is."""
        run = self._runs.get(name)
        self.answer(*(_gone() if run is None else (_shown(run),)))

    @web.authenticated
    @authorized
    async def delete(self, name: str) -> None:
        """Cancel it, and answer when it has ended. What it has measured is kept."""
        self.act_of_a_person()
        run = self._runs.get(name)
        if run is not None:
            await self._runs.cancel(run)
        self.answer(*(_gone() if run is None else (_shown(run),)))


class ResultsHandler(LabsHandler):
    """The results on this machine."""

    def initialize(self, runs: Runs) -> None:
        """What it reads from."""
        self._runs = runs

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Those that are results, newest first, and the files that are not, with the reason."""
        loop = asyncio.get_running_loop()
        good, bad = await loop.run_in_executor(None, read_all, self._runs.results)
        rows = [{**one, "results": [told(row) for row in one["results"]]} for one in good]
        self.answer({"results": rows, "refused": bad})


class ComparisonHandler(LabsHandler):
    """One result beside those of the class."""

    def initialize(self, runs: Runs, classmates: Classmates) -> None:
        """What it reads from, and whom it asks."""
        self._runs = runs
        self._classmates = classmates

    @web.authenticated
    @authorized
    async def post(self, name: str) -> None:
        """Tell the controller a summary of it, and answer the medians of the class."""
        loop = asyncio.get_running_loop()
        good, _bad = await loop.run_in_executor(None, read_all, self._runs.results)
        result = next((one for one in good if one["id"] == name), None)
        if result is None:
            self.answer(*_gone())
        else:
            self.answer(await self._classmates.compare(result))


def _wanted(body: bytes) -> tuple[str, list[str], str | None]:
    """Scale, items and backend of a request.

    Raises:
        ValueError: it names what there is not.
    """
    data = json.loads(body or b"{}")
    if not isinstance(data, dict) or {*data} - {"scale", "items", "backend"}:
        raise ValueError("scale, items, backend")
    scale, items, backend = data.get("scale", "quick"), data.get("items", []), data.get("backend")
    if not isinstance(scale, str) or scale not in SCALES:
        raise ValueError("scale")
    if backend is not None and backend not in BACKENDS:
        raise ValueError("backend")
    if not isinstance(items, list) or not all(isinstance(one, str) for one in items):
        raise ValueError("items")
    return scale, chosen(items) if items else [], backend


def _shown(run: BenchmarkRun) -> dict[str, Any]:
    data = run.to_json()
    data["results"] = [told(row) for row in data["results"]]
    if data["now"] is not None:
        data["now"] |= named(data["now"]["id"])
    return data


def _gone() -> tuple[dict[str, Any], int]:
    return {"sentence": say(_UNKNOWN)}, 404

"""REST for comparing what students measured: one's own figures in, the class's medians out."""

from __future__ import annotations

from tornado.web import authenticated

from gpuspawner.errors import ClaimNotFound
from gpuspawner.store import benchmarks
from gpuspawner.web.benchmarks import (
    BenchmarkBody,
    BenchmarkReply,
    BenchmarksQuery,
    MedianReply,
    MediansReply,
)
from gpuspawner.web.people_api import PersonApiHandler
from gpuspawner.web.schemas import parse_query


class ClaimBenchmarkHandler(PersonApiHandler):
    """`claims/{name}/benchmark`."""

    @authenticated
    async def post(self, name: str) -> None:
        """Take down what one's own machine measured; nobody can for somebody else."""
        view = self.machine(name)
        if not self.person.owns(view):
            raise ClaimNotFound(name)
        told = self.parse(BenchmarkBody).told()
        now = self.services.clock.now()
        await self.services.database.run(benchmarks.keep, view.owner, told, now)
        self.reply(BenchmarkReply(figures=len(told.figures)).model_dump())


class BenchmarksHandler(PersonApiHandler):
    """`benchmarks`."""

    @authenticated
    async def get(self) -> None:
        """The medians of the class, to whoever is of it: no figure of any one person."""
        _ = self.person
        asked = parse_query(BenchmarksQuery, self.request.query_arguments)
        found = await self.services.database.read(benchmarks.compared, asked.backend, asked.scale)
        self.reply(MediansReply(medians=[MedianReply.of(one) for one in found]).model_dump())

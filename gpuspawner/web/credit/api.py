"""REST for credit: one's own for everybody, a class's for its teachers, the pool's for admins."""

from __future__ import annotations

from gpuspawner.web.credit import log, reads, replies, sessions, writes
from gpuspawner.web.credit.bodies import (
    AuditQuery,
    CreditQuery,
    CsvPeriodQuery,
    CsvQuery,
    FundBody,
    GrantBody,
    PeriodQuery,
    ReversalBody,
    StudentQuery,
)
from gpuspawner.web.credit.export import statement_csv, students_csv
from gpuspawner.web.credit.handler import CreditHandler
from gpuspawner.web.handler import HubHandler
from gpuspawner.web.schemas import parse_query


class MeHandler(CreditHandler):
    """`me`."""

    async def get(self) -> None:
        """The caller's own balance, and how long it lasts for what they have on."""
        who = await self.seen(None)
        self.answer(
            await self.services.database.read(
                reads.me, who, self.services.board.views, self.services.credit.rules, self.now
            )
        )


class StatementHandler(CreditHandler):
    """`statement`."""

    async def get(self) -> None:
        """Every line of a period."""
        self.answer(await self.statement(self.query(PeriodQuery)))

    async def statement(self, query: PeriodQuery) -> replies.Statement:
        """The statement that is asked for."""
        who = await self.seen(query.student)
        return await self.services.database.read(reads.statement, who, query, self.now)


class StatementCsvHandler(StatementHandler):
    """`statement.csv`."""

    async def get(self) -> None:
        """The same lines for a spreadsheet."""
        query = self.query(CsvPeriodQuery)
        found = await self.statement(query)
        zone = (await self.services.database.read(reads.course)).timezone
        self.send_csv(statement_csv(found, self.language, zone), "statement", query.encoding)


class GrantsHandler(CreditHandler):
    """`grants`."""

    async def get(self) -> None:
        """Those of one student."""
        who = await self.seen(self.query(StudentQuery).student)
        self.answer(await self.services.database.read(reads.grants, who))

    async def post(self) -> None:
        """Hand credit of the pool to a student."""
        order, body = self.order(), self.parse(GrantBody)
        who = await self.may_grant(body.student)
        self.answer(await self.services.database.run(writes.grant, order, body, who), 201)


class HoldsHandler(CreditHandler):
    """`holds`."""

    async def get(self) -> None:
        """Those of one student."""
        who = await self.seen(self.query(StudentQuery).student)
        self.answer(await self.services.database.read(reads.holds, who))


class StudentsHandler(CreditHandler):
    """`students`."""

    async def get(self) -> None:
        """Where everybody stands whom the caller may see."""
        self.answer(await self.students())

    async def students(self) -> replies.Students:
        """The list."""
        self.viewer.check_teaches()
        sight = await self.sight()
        return await self.services.database.read(reads.students, sight, self.now)


class StudentsCsvHandler(StudentsHandler):
    """`students.csv`."""

    async def get(self) -> None:
        """The same for a spreadsheet."""
        encoding = self.query(CsvQuery).encoding
        self.send_csv(students_csv(await self.students(), self.language), "students", encoding)


class PoolHandler(CreditHandler):
    """`pool`."""

    async def get(self) -> None:
        """The course's money."""
        self.viewer.check_teaches()
        self.answer(await self.services.database.read(reads.pool))


class BurnHandler(CreditHandler):
    """`burn`."""

    async def get(self) -> None:
        """What an hour costs now."""
        self.viewer.check_teaches()
        self.answer(await self.services.database.read(reads.burn))


class AuditHandler(CreditHandler):
    """`audit`."""

    async def get(self) -> None:
        """What people did, the last first."""
        self.viewer.check_teaches()
        query = self.query(AuditQuery)
        student = (await self.seen(query.student)).person if query.student else None
        sight = await self.sight()
        self.answer(await self.services.database.read(log.audit, query, student, sight))


class ReversalsHandler(CreditHandler):
    """`reversals`."""

    async def post(self) -> None:
        """Take a transaction back."""
        order, body = self.order(), self.parse(ReversalBody)
        await self.may_reverse(body.transaction)
        self.answer(await self.services.database.run(writes.reverse, order, body), 201)


class FundHandler(CreditHandler):
    """`fund`."""

    async def post(self) -> None:
        """Bring money into the pool."""
        self.viewer.check_admin()
        order, body = self.order(), self.parse(FundBody)
        self.answer(await self.services.database.run(writes.fund, order, body), 201)


class HubCreditHandler(HubHandler):
    """`credit`: for the hub's own pages."""

    async def get(self) -> None:
        """What they show of one user."""
        query = parse_query(CreditQuery, self.request.query_arguments)
        found = await self.services.database.run(sessions.credit, query, self.services)
        self.reply(found.model_dump())

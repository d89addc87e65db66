"""Pages about credit: one's own, and the class's for those who teach it."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlencode

from tornado.web import authenticated

from gpuspawner.errors import GpuspawnerError, SpecificationRefused
from gpuspawner.policy.money import moment_of
from gpuspawner.store import brake
from gpuspawner.web import schemas
from gpuspawner.web.credit import log, plot, reads, words, writes
from gpuspawner.web.credit.bodies import (
    AuditQuery,
    FundBody,
    GrantBody,
    PeriodQuery,
    ReversalBody,
    StopBody,
    micros_of,
)
from gpuspawner.web.credit.handler import CreditViewer
from gpuspawner.web.handler import status_of
from gpuspawner.web.pages import PageHandler


class CreditPage(CreditViewer, PageHandler):
    """`credit`: a student's own; another one's for who may see it."""

    @authenticated
    async def get(self) -> None:
        """The page."""
        query = schemas.parse_query(PeriodQuery, self.filled_in())
        who = await self.seen(query.student)
        database = self.services.database
        course = await database.read(reads.course)
        found = await database.read(reads.statement, who, query, self.now)
        days = plot.days(found, course.timezone)
        since, until = reads.days_of(query, course.timezone, self.now)
        self.show(
            "credit.html",
            person=self.person,
            here="credit" if query.student is None else "class",
            me=await database.read(
                reads.me, who, self.services.board.views, self.services.credit.rules, self.now
            ),
            statement=found,
            grants=(await database.read(reads.grants, who)).grants,
            holds=(await database.read(reads.holds, who)).holds,
            own=query.student in (None, self.viewer.name),
            name=who.name,
            since=since,
            until=until,
            days=[day for day in days if day.spent],
            bars=plot.bars(days),
            plot=plot,
            words=words,
            csv_url=f"api/v1/statement.csv?{urlencode({'since': since, 'until': until, **({'student': query.student} if query.student else {})})}",
            **self.texts(course.unit, course.timezone),
        )


class ClassPage(CreditViewer, PageHandler):
    """`class`: balances, the pool, what an hour costs, the log; and what may be done about them."""

    @authenticated
    async def get(self) -> None:
        """The page."""
        await self.page()

    @authenticated
    async def post(self) -> None:
        """One form of the page; what is refused is said on the page, with the form as it was."""
        action = self.get_body_argument("action", "")
        try:
            await self._do(action)
        except GpuspawnerError as error:
            self.set_status(status_of(error))
            await self.page(refused=error.public, action=action)
        else:
            self.redirect(f"{self.hub_auth.base_url.rstrip('/')}/class?done={action}")

    async def _do(self, action: str) -> None:
        viewer, database = self.viewer, self.services.database
        viewer.check_teaches()
        order = writes.Order(viewer, self._value("key", str(uuid.uuid4())), self.now)
        if action == "grant":
            body = self._body(GrantBody, "student", "reason", micros=self._amount())
            who = await self.may_grant(body.student)
            await database.run(writes.grant, order, body, who)
        elif action == "fund":
            viewer.check_admin()
            fund = self._body(FundBody, "reason", micros=self._amount())
            await database.run(writes.fund, order, fund)
        elif action == "reverse":
            number = self._value("transaction", "")
            wanted = int(number) if number.isascii() and number.isdigit() else 0
            back = self._body(ReversalBody, "reason", transaction=wanted)
            await self.may_reverse(back.transaction)
            await database.run(writes.reverse, order, back)
        elif action in ("stop", "lift"):
            viewer.check_admin()
            why = self._body(StopBody, "reason").reason
            actor = str(await database.run(order.actor))
            done = brake.stop_everything if action == "stop" else brake.lift
            await database.run(done, why, moment_of(self.now), actor=actor)
            await self.services.board.refresh()
        else:
            raise SpecificationRefused(f"there is no action {action!r}")

    async def page(self, **more: Any) -> None:
        """Show everything that the viewer may see."""
        viewer, database = self.viewer, self.services.database
        viewer.check_teaches()
        sight = await self.sight()
        course = await database.read(reads.course)
        query = schemas.parse_query(
            AuditQuery, {k: v for k, v in self.filled_in().items() if k == "before"}
        )
        values: dict[str, Any] = {"refused": None, "action": "", **more}
        self.show(
            "class.html",
            person=self.person,
            here="class",
            viewer=viewer,
            students=(await database.read(reads.students, sight, self.now)).students,
            pool=await database.read(reads.pool),
            burn=await database.read(reads.burn),
            audit=await database.read(log.audit, query, None, sight),
            brake=await database.read(brake.brake),
            running=sum(
                view.desired.value == "running" for view in self.services.board.views.values()
            ),
            done=self.get_query_argument("done", ""),
            key=str(uuid.uuid4()),
            field=lambda name: self.get_body_argument(name, ""),
            words=words,
            **values,
            **self.texts(course.unit, course.timezone),
        )

    def _body(self, kind: Any, *names: str, **values: Any) -> Any:
        fields = {name: self._value(name, "") for name in names}
        return schemas.parse_values(kind, {**fields, **values})

    def _amount(self) -> int:
        return micros_of(self._value("amount", ""))

    def _value(self, name: str, default: str) -> str:
        return self.get_body_argument(name, default) or default

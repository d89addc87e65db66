"""What may be sent about credit, and how it is asked for; checked before anything else looks at it."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from gpuspawner.policy.money import seconds_of
from gpuspawner.spreadsheets import Encoding
from gpuspawner.web.schemas import Body

MOST = 2**53 - 1
"""The largest whole number that JavaScript reads exactly; nine billion units."""

LONGEST = 1100
"""A statement covers three years at most."""

Micros = Annotated[int, Field(strict=True, gt=0, le=MOST)]
Name = Annotated[str, Field(min_length=1, max_length=255)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Number = Annotated[int, Field(ge=1, le=MOST)]


def micros_of(text: str) -> int:
    """An amount as people type it in a form, `12.5` or `1,200`; 0 for what is none.

    A form refuses 0 with the field's own name, so nothing is guessed here.
    """
    try:
        micros = Decimal(text.replace(",", "").strip()) * 1_000_000
        whole = int(micros)
    except (InvalidOperation, ValueError, OverflowError):
        return 0
    return whole if whole == micros else 0


class GrantBody(Body):
    """`POST grants`: hand `micros` of the pool to a student. A grant ends at `expires_at`, or never."""

    student: Name
    micros: Micros
    reason: Reason
    expires_at: AwareDatetime | None = None

    @property
    def expires(self) -> int | None:
        """When it ends, in UTC seconds."""
        return None if self.expires_at is None else seconds_of(self.expires_at)


class ReversalBody(Body):
    """`POST reversals`: take a transaction back, or `micros` of it."""

    transaction: Annotated[int, Field(strict=True, ge=1, le=MOST)]
    reason: Reason
    micros: Micros | None = None


class FundBody(Body):
    """`POST fund`: bring `micros` into the pool."""

    micros: Micros
    reason: Reason


class StudentQuery(Body):
    """Whose credit: one's own without `student`."""

    student: Name | None = None


class PeriodQuery(StudentQuery):
    """Days in the course's time zone, both included: the last 31 of them without."""

    since: date | None = None
    until: date | None = None

    @model_validator(mode="after")
    def _in_order(self) -> PeriodQuery:
        for day in (self.since, self.until):
            if day is not None and not 1970 < day.year < 9000:
                raise ValueError("the day is out of any reason")
        if self.since and self.until and not (
            timedelta(0) <= self.until - self.since <= timedelta(days=LONGEST)
        ):  # fmt: skip
            raise ValueError("'until' is before 'since', or too long after it")
        return self


class CsvQuery(Body):
    """In which encoding a spreadsheet is wanted."""

    encoding: Encoding = "utf-8"


class CsvPeriodQuery(PeriodQuery, CsvQuery):
    """The days of a statement, and the encoding."""


class AuditQuery(StudentQuery):
    """A page of the log: what came before transaction `before`, `limit` entries at most."""

    before: Number | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class StopBody(Body):
    """Why everything is stopped, or may start again."""

    reason: Reason


class WhoQuery(Body):
    """`person`: by the hub's name, the id in the ledger, the student number or the e-mail address."""

    who: Name


class CreditQuery(Body):
    """`GET credit`: what the hub's own pages show of one user."""

    user_id: Annotated[str, Field(min_length=1, max_length=64)]
    user_name: Name

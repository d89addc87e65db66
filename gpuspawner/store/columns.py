"""The column types of our own, and what makes text from outside fit to be stored."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import DateTime, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

DETAIL_CHARACTERS = 8192
"""The most that is kept of a log's tail, in characters."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time. A naive one is refused: nobody could say which moment it means.

    PostgreSQL keeps the moment; SQLite keeps text of a fixed width in UTC. Both compare rightly.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database, in UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"the time {value} has no time zone")
        utc = value.astimezone(timezone.utc)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database, aware, in UTC."""
        if value is None:
            return None
        if dialect.name == "sqlite":
            return value.replace(tzinfo=timezone.utc)
        return value.astimezone(timezone.utc)


class Json(TypeDecorator[Any]):
    """A value as JSON text in ASCII.

    Text rather than the databases' own JSON types, which differ: with the escapes, a name with a
    NUL or an unpaired surrogate in it comes back as it went in, from both.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002
        """To the database."""
        return None if value is None else json.dumps(value, ensure_ascii=True, sort_keys=True)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002
        """From the database."""
        return None if value is None else json.loads(value)


def plain(text: str) -> str:
    """The end of `text`, without what PostgreSQL cannot store (NUL, unpaired surrogates).

    It cuts from the front: the last lines of a log say what went wrong.
    """
    whole = text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return whole[-DETAIL_CHARACTERS:]

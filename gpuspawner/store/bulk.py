"""Many rows in one statement.

SQLite is in this process, and takes rows one after the other as quickly as any other way.
PostgreSQL is not: there each column travels as one array, so that a thousand rows are one short
statement with a few parameters and one answer.

https://www.postgresql.org/docs/current/functions-array.html (`unnest`)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, TableValuedAlias, bindparam, cast, func, insert, select
from sqlalchemy import update as update_
from sqlalchemy.dialects import postgresql, sqlite

Rows = Sequence[Mapping[str, Any]]
"""Rows with the same columns each."""


def insert_rows(c: Connection, table: Table, rows: Rows) -> None:
    """Insert them."""
    if rows and _is_sqlite(c):
        c.execute(insert(table), rows)
    elif rows:
        c.execute(insert(table).from_select(list(rows[0]), _given(table, rows).select()))


def insert_absent_rows(c: Connection, table: Table, rows: Rows) -> None:
    """Insert those of the rows of whose key there is none yet."""
    if rows and _is_sqlite(c):
        c.execute(sqlite.insert(table).on_conflict_do_nothing(), rows)
    elif rows:
        made = postgresql.insert(table).from_select(list(rows[0]), _given(table, rows).select())
        c.execute(made.on_conflict_do_nothing())


def update_rows(c: Connection, table: Table, rows: Rows) -> None:
    """Set the other columns of the rows whose `id` is in these."""
    if rows and _is_sqlite(c):
        values: dict[str, Any] = {name: bindparam(f"_{name}") for name in rows[0] if name != "id"}
        c.execute(
            update_(table).where(table.c.id == bindparam("_id")).values(values),
            [{f"_{name}": value for name, value in row.items()} for row in rows],
        )
    elif rows:
        given = _given(table, rows)
        values = {name: given.c[name] for name in rows[0] if name != "id"}
        c.execute(update_(table).where(table.c.id == given.c.id).values(values))


def numbers_by(c: Connection, table: Table, column: str, values: Sequence[Any]) -> dict[Any, int]:
    """The `id` of each row by its value in another column, which is unique."""
    of = table.c[column]
    if _is_sqlite(c):
        query = select(of, table.c.id).where(of.in_(values))
    else:
        given = _given(table, [{column: value} for value in values])
        query = select(of, table.c.id).join(given, of == given.c[column])
    return {row[0]: row[1] for row in c.execute(query)}


def _given(table: Table, rows: Rows) -> TableValuedAlias:
    arrays = [
        cast([row[name] for row in rows], postgresql.ARRAY(table.c[name].type)) for name in rows[0]
    ]
    return func.unnest(*arrays).table_valued(*rows[0], name="given").render_derived()


def _is_sqlite(c: Connection) -> bool:
    return c.dialect.name == "sqlite"

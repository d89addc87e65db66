"""Benchmarks: what students measured, so that a class can be compared."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gpuspawner.store.columns import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_KEY = ("course", "person", "measure", "kind", "device", "backend", "scale")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "benchmarks",
        sa.Column("course", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in _KEY[1:]),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("measured_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint(*_KEY, name="pk_benchmarks"),
        sa.ForeignKeyConstraint(["course"], ["courses.id"], name="fk_benchmarks_course_courses"),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name="fk_benchmarks_person_people"),
        sa.CheckConstraint("kind IN ('gpu', 'cpu')", name="ck_benchmarks_kind"),
        sa.CheckConstraint("value > 0", name="ck_benchmarks_value"),
    )
    op.create_index("ix_benchmarks_class", "benchmarks", ["course", "backend", "scale"])

"""Sessions: what was promised in one, and what the rule about idle machines needs after a restart."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gpuspawner.store.columns import Json, UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "sessions",
        sa.Column("claim", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("held_until", UtcDateTime(), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("extended_until", UtcDateTime(), nullable=True),
        sa.Column("warned", Json(), nullable=True),
        sa.Column("observed", Json(), nullable=True),
        sa.Column("day", UtcDateTime(), nullable=True),
        sa.Column("extensions", sa.Integer(), nullable=False),
        sa.Column("restarts", sa.Integer(), nullable=False),
        sa.Column("restarted_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("claim", name="pk_sessions"),
        sa.CheckConstraint("extensions >= 0 AND restarts >= 0", name="ck_sessions_counts"),
    )

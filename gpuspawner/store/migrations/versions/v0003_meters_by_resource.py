"""Find the meters of a resource without reading those of all others."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Index them by what they are of; the other indexes hold only those that are open or first."""
    op.create_index("ix_meters_resource", "meters", ["resource", "component"])

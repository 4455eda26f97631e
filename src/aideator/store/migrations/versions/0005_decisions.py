"""Decisions: when a winner was chosen, and which runs came from a file.

Revision ID: 0005
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the two moments.

    Of a decision before this version, only its own moment is known: `finished_at` was
    it.
    """
    with op.batch_alter_table("run") as run:
        run.add_column(
            sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True)
        )
        run.add_column(
            sa.Column("imported_at", sa.DateTime(timezone=True), nullable=True)
        )

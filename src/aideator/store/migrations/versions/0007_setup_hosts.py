"""Hosts that set-ups reached, and those that people allowed to them.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and the table. What earlier set-ups reached is not known."""
    op.add_column(
        "run",
        sa.Column("setup_hosts", sa.JSON(), nullable=False, server_default="[]"),
    )
    op.create_table(
        "allowed_host",
        sa.Column("host", sa.String(), primary_key=True),
        sa.Column("repository", sa.String(), primary_key=True),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )

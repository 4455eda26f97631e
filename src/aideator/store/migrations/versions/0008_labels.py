"""Names of runs, and which are archived.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. Earlier runs have no name and are in no archive."""
    op.add_column(
        "run", sa.Column("title", sa.String(), nullable=False, server_default="")
    )
    op.add_column("run", sa.Column("archived_at", sa.DateTime(timezone=True)))

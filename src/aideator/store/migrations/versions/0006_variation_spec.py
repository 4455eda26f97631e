"""Call the specification of a variation's agent `spec`, as that of a run.

Revision ID: 0006
Revises: 0005
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Rename the column; its values stay."""
    op.execute("ALTER TABLE variation RENAME COLUMN seat TO spec")

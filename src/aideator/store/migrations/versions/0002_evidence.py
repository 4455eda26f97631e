"""Evidence: set-up, cross-tests, measurements, compositions, publications.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _json(name: str, *, nullable: bool = True) -> sa.Column[object]:
    # A row of the version before has none of these.
    return sa.Column(
        name,
        sa.JSON(none_as_null=True),
        nullable=nullable,
        server_default=None if nullable else "[]",
    )


def upgrade() -> None:
    """Add what the evidence layer keeps."""
    with op.batch_alter_table("run") as run:
        run.add_column(_json("setup", nullable=False))
        run.add_column(_json("protected", nullable=False))
        run.add_column(_json("evidence"))
        run.add_column(_json("publication"))
    with op.batch_alter_table("variation") as variation:
        variation.add_column(_json("composed", nullable=False))
        variation.add_column(sa.Column("cleared", sa.String(), nullable=True))
    op.create_table(
        "session",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"]),
        sa.PrimaryKeyConstraint("run_id", "number"),
    )
    op.create_table(
        "measurement",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )

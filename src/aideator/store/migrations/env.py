"""Runs the migrations on the connection that `store.session` hands over, inside its one transaction."""

from alembic import context
from sqlmodel import SQLModel

from aideator.store import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
)
context.run_migrations()

__all__ = ["tables"]

"""Runs the migrations on the connection of `store.migrate`, in its transaction."""

from alembic import context

from aideator.store.tables import RunRow

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=RunRow.metadata,
    render_as_batch=True,
)
context.run_migrations()

"""Alembic's scripts, inside the package so that the wheel carries them."""

HEAD = "0007"
"""The newest revision, so that a database that has it is recognized without Alembic."""

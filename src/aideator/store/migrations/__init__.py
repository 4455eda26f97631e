"""Alembic's scripts, inside the package so that the wheel carries them."""

HEAD = "0008"
"""The newest revision, so that a database that has it is recognized without Alembic."""

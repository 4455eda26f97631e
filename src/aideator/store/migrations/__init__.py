"""Alembic's scripts, inside the package so that the wheel carries them."""

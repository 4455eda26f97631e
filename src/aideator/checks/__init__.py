"""Checks: run a project's own tests and read what they report."""

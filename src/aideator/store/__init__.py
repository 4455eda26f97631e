"""KEPT: rows in SQLite (or Postgres), behind one writer."""

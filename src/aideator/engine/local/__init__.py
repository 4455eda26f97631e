"""The engine of one process."""

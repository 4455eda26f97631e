"""HEARD: append, read, follow. The table is the truth, the bell a hint."""

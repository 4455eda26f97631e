"""Domain types: immutable models, legal transitions and errors, without I/O."""

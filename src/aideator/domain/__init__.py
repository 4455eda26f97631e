"""WHAT: the nouns. Frozen types, legal moves, no I/O."""

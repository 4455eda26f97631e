"""AIdeator: N coding agents in, one proven change out."""

__version__ = "0.1.0"

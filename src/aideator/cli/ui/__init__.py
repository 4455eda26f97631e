"""Draw runs, evidence and lists on a terminal."""

"""The Dagger back end: trees travel into containers, and a supervisor enforces limits."""

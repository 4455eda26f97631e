"""Selection: compare variations by cross-tests, rank them, explain the ranking."""

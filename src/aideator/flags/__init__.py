"""Flags: places in a change that a person has to look at, such as weakened tests."""

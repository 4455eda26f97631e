"""DOOR: the command line."""

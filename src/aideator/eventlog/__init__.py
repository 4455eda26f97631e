"""Stores the events of runs and delivers them: append, read, follow.

The table is what counts; waking followers is only a hint to look there.
"""

"""METERED: the way from a sandbox to a model.

It holds the key, counts, and enforces budgets.
"""

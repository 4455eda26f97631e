"""The gateway: the only way from a sandbox to a model.

It holds the real key, meters calls and enforces budgets.
"""

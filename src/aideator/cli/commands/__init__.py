"""The core's commands: one function each, which declares the command and executes it.

Optional packages have a module `commands` of their own.
"""

"""Repositories: fetched into mirrors, checked out once per commit, cached."""

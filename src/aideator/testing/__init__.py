"""Shipped for tests and the keyless demo: conformance checks and the scripted model server."""

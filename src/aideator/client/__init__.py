"""The HTTP client of a server."""

"""Workbench (optional): terminals and previews in a variation's sandbox."""

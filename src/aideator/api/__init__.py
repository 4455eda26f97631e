"""DOOR: HTTP. Parse, authorise, call the façade, render."""

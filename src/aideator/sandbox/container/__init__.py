"""Container back ends: a container cannot share the host's overlays, so trees travel, and a supervisor limits."""

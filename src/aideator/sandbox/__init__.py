"""CONFINED: a place where hostile code may run, reached through one Unix socket."""

"""Our own agent: an ACP process that runs inside the sandbox."""

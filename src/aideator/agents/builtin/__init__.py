"""The built-in agent: an ACP process that runs inside the sandbox."""

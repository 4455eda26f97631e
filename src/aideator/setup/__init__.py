"""Set-up: determine a project's set-up and checks, and install its dependencies."""

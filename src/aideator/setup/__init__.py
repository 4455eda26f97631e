"""Set-up: find out what a project needs, install it once per commit, keep the result as a layer."""

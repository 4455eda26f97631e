"""The Dagger back end: trees are copied into containers of a Dagger engine."""

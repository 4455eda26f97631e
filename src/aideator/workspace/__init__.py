"""FORKED: a repository becomes a cached checkout, the checkout becomes N private copies, a copy becomes a patch."""

"""HTTP routes of the core, one module per subject."""

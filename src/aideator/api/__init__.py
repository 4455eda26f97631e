"""HTTP API: routes parse and authorise requests, call the facade, and render answers."""

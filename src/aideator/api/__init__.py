"""HTTP API: routes parse and authorise requests, call the facade, render answers."""

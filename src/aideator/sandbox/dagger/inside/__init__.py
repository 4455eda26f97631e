"""Programs that run in the container, on the image's Python, standard library only."""

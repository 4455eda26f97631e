"""What runs in the container, as its root, with the image's own Python: standard library only, nothing else of ours."""

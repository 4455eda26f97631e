"""DRIVEN: the story of a variation, and what makes it happen."""

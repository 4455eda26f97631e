"""Statistics (optional): what past decisions say about agents and models."""

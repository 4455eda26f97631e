"""Archives (optional): export a run as one file, import it for reading."""

"""What the command line draws."""

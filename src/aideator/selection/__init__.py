"""JUDGED: what running each change proves, and which one that recommends."""

"""ACTING: any agent that speaks the Agent Client Protocol over stdio."""

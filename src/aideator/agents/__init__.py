"""Agents: any program that speaks the Agent Client Protocol over stdio."""

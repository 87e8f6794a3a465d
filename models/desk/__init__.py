"""Queries of the agents' desk, and cases for an agent."""

"""The REST paths: one file for each resource, and what their requests go through."""

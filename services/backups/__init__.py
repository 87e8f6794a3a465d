"""Backups, and restores that text no one twice."""

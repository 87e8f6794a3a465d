"""Campaigns as operators write them: which people may book, when, how far away, in which hours."""

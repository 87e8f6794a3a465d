"""Campaigns as operators write them: who may book, when, how far away, and in which hours."""

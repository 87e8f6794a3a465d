"""Queries of a centre's day, and operations that change many places at once."""

"""Tables and queries of calls, their turns, and what is left of calls that were cut."""

"""Admission to the web: the waiting room, its speed, and which requests give way under load."""

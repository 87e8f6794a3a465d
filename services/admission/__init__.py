"""Admission to the web: the waiting room, how fast it lets people in, what gives way under load."""

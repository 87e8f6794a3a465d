"""The gate in front of the application: the waiting room, kept pages, what gives way under load."""

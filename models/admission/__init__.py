"""Tables and queries of who came to the waiting room."""

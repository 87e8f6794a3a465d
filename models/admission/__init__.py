"""Tables and queries of the visitors in the waiting room."""

"""Tables and queries of staff: accounts, sessions, acts."""

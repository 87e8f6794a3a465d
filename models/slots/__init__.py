"""Tables and queries of slots and places. Only `places` writes who holds or has a place."""

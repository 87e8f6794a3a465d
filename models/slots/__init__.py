"""Tables and queries of slots and places. Only `places` writes a place's holder or booking."""

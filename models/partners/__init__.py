"""Tables and queries of what partners told, and of our orders at them."""

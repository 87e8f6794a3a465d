"""Tables and queries of what partners told, and of orders of ours at them."""

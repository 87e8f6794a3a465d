"""/centre: pages of a centre's secretary."""

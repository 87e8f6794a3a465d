"""What the agents' desk does for a caller: profile, search, offers, bookings, cases, messages."""

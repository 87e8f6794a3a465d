"""Tables and queries of bookings, their appointments, and their history, which is only added to."""

"""Online bookings: web sessions, their answers, and my appointment on the site."""

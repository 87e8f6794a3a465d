"""Bookings: confirmed, found, moved, cancelled, restored, and recounted."""

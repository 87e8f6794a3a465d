"""A centre's day.

Its secretary's list, changes of hours, closings, and moving the people booked.
"""

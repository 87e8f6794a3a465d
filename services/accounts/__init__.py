"""Accounts of staff: passwords, second factor, sessions."""

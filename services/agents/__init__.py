"""Agents at work on calls.

Presence, reservations, connections, transfers, commands to the provider.
"""

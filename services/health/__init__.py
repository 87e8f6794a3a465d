"""Processes and store: looked at, counted, and watched."""

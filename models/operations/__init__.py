"""Recounts of the whole store, for `flask store verify`."""

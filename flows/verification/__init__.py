"""Proofs about the conversation, for tests and `flask calls`.

A walk through every step, a made-up outside, a map.
"""

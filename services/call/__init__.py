"""A telephone call.

Its turns, the outside that its conversation asks, its resumption and its end.
"""

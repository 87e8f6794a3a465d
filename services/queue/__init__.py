"""The queue for a person.

Positions, estimates of the wait, promised callbacks, messages by telephone.
"""

"""Beside the service: what starts it on one machine, and the people who ring it there."""

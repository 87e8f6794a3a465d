"""The telephone edge: the provider's webhooks in, TwiML out, its REST.

The only package that knows the provider.
"""

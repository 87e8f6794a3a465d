"""The telephone edge: the provider's webhooks in, TwiML out, its REST.

The only room that knows the provider.
"""

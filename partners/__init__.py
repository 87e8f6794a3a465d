"""Centres and postcodes from outside: foreign files become plain records of the services.

Nothing here knows SQL; only `jobs` may name a partner.
"""

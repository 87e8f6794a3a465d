"""SIP telephones: one more kind of leg for the exchange, in a process of its own.

Needs `requirements/sip.txt`; nothing outside this room knows that it exists.
"""

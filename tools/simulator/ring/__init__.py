"""The telephone of `make ring`: a SIP handset that presses keys, and keeps the sound of its call.

It reads and writes SIP by itself, apart from `exchange.sip`, so that a mistake of one is not made
by both. All that it takes from there are the sound's format (`parts`), accounts and settings.
"""

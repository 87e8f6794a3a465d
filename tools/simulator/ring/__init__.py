"""The telephone of `make ring`: a SIP handset that presses keys, and keeps the sound of its call.

Of `exchange.sip` it takes the sound's format (`parts`), the tones of keys (`music`) and settings.
Its SIP is aiosipua's client and its RTP its own, apart from what the exchange answers with.
"""

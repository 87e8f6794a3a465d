"""A stand-in for Twilio: its REST paths, its TwiML interpreter and telephones that call."""

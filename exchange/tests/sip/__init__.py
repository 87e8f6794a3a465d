"""Tests of the telephones over SIP, left out where the extra is not installed."""

"""Extracts of Twilio's published schemas (MIT) and the script that makes them."""

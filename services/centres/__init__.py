"""Centres, postcodes and towns: taken in from the official files, and found again."""

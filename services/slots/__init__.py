"""Slots and their places: opened, searched, held, given back. Only here are places taken."""

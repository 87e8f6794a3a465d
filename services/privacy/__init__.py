"""Rights of persons, erasing what is due, and traces of who looked."""

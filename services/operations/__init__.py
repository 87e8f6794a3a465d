"""Operation of the whole: erasing what is due, and filling a demonstration."""

"""What others would have written: the yardsticks of the web, beside those of bench/floors.py."""

"""Measurements, as ratios against floors taken in the same run: `python -m bench --help`."""

"""One process of a crowd: wait for the word, then book at one centre until nothing is left."""

from __future__ import annotations

import os
import sys
import time

from bench.helpers import tell
from bench.store import ServiceBookings


def main() -> None:
    """Say "ready", wait for a line, book, and print what came of it as JSON."""
    url, places, centre_id = sys.argv[1:4]
    service = ServiceBookings(url)
    tell()
    sys.stdin.readline()
    began = time.time()
    booked = 0
    for number in range(int(places)):
        if not service.allocate(centre_id, f"CA{os.getpid():012x}{number:020x}"):
            break
        booked += 1
    ended = time.time()
    service.close()
    tell(booked=booked, began=began, ended=ended)


if __name__ == "__main__":
    main()

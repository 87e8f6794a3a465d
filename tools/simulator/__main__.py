"""Serve the exchange with its people and stand-ins: `python -m tools.simulator --port 8010`."""

import sys

from exchange.__main__ import main

if __name__ == "__main__":
    sys.exit(main("simulator", "tools.simulator.app:serve"))

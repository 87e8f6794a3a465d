"""Keeps the counters of commands apart from the folder in which web workers add theirs up.

PROMETHEUS_MULTIPROC_DIR may stand in an environment that all processes share. A worker's counters
would then be told twice: from that folder, and as the worker hands them on itself. The library
looks for the name once, when it is imported: so this is imported before.
"""

from __future__ import annotations

import sys

import config

config.keep_counters_apart(sys.argv[0])

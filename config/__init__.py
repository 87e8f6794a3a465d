"""Every setting, and the only reader of the environment: `config.load()`."""

import sys

from config.places import (
    CAMPAIGN_CENTRES,
    POSTGRES,
    ROOT,
    SOCKET_PATH_BYTES,
    VAR,
    own_postgres_url,
    own_redis_url,
    socket_folder,
    version,
)
from config.process import change_file, environment, keep_counters_apart
from config.settings import (
    DEVELOPMENT_ACCOUNT_SID,
    DEVELOPMENT_AUTH_TOKEN,
    DEVELOPMENT_DATA_KEY,
    DEVELOPMENT_NUMBER,
    DEVELOPMENT_SECRET,
    DRAIN_SECONDS,
    KNOWN,
    PARTS_PER_SECOND_OF_A_NAME,
    SLOWEST_PACE,
    BadSettings,
    Settings,
    load,
)

__all__ = [
    "CAMPAIGN_CENTRES",
    "DEVELOPMENT_ACCOUNT_SID",
    "DEVELOPMENT_AUTH_TOKEN",
    "DEVELOPMENT_DATA_KEY",
    "DEVELOPMENT_NUMBER",
    "DEVELOPMENT_SECRET",
    "DRAIN_SECONDS",
    "KNOWN",
    "PARTS_PER_SECOND_OF_A_NAME",
    "POSTGRES",
    "ROOT",
    "SLOWEST_PACE",
    "SOCKET_PATH_BYTES",
    "VAR",
    "BadSettings",
    "Settings",
    "change_file",
    "environment",
    "keep_counters_apart",
    "load",
    "own_postgres_url",
    "own_redis_url",
    "socket_folder",
    "version",
]

# The library of counters looks for their folder once, when it is imported; this is imported before.
keep_counters_apart(sys.argv[0])

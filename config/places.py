"""Where things of this copy lie: its folders, its sockets, and the servers of its own."""

from __future__ import annotations

import hashlib
import os
import re
import tomllib

from functools import cache
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[1]
VAR = ROOT / "var"
# The data of the PostgreSQL that `make run` and `flask` start where DATABASE_URL names none.
POSTGRES = VAR / "postgres"
# What a socket's address can hold is 108 bytes on Linux and 104 on macOS, the final zero included.
SOCKET_PATH_BYTES = 103
# In a folder of campaigns: its own centres, as the official file has them (`flask demo`).
CAMPAIGN_CENTRES = "centres.csv"


@cache
def version() -> str:
    """The version of this code, which pyproject.toml alone says."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"])


def socket_folder(preferred: Path, name: str) -> Path:
    """Where a socket of this name may lie: in `preferred`, or in a short folder of our own.

    The path may be too long, or hold a character that a URL would need quoted or, like a space,
    that redis-py trips over when it reads CLIENT INFO.
    """
    path = os.fsencode(preferred)
    fits = len(path) + len(name) < SOCKET_PATH_BYTES
    if fits and re.fullmatch(r"[\w./+@~-]+", str(preferred), re.ASCII):
        return preferred
    # Its owner and rights are looked at where it is made (tools.launcher.sockets).
    return Path("/tmp") / f"allo-{os.geteuid()}-{hashlib.sha256(path).hexdigest()[:16]}"  # noqa: S108


def own_redis_url() -> str:
    """The address of the Redis that `make run` starts."""
    return f"unix://{socket_folder(VAR, 'redis.sock')}/redis.sock"


def own_postgres_url(database: str, data: Path = POSTGRES) -> str:
    """The address of a database in the PostgreSQL on `data`, whatever PGPORT says."""
    sockets = socket_folder(data, ".s.PGSQL.5432")
    return f"postgresql://postgres@/{quote(database)}?host={sockets}&port=5432"

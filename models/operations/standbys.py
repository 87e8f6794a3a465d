"""What a PostgreSQL server says of the standbys that follow it."""

from __future__ import annotations

import re

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

_SETTINGS: Final = text(
    "SELECT current_setting('synchronous_commit') AS waits,"
    " current_setting('synchronous_standby_names') AS names"
)
# Without pg_monitor the rows are there, and their columns are null.
_FOLLOW: Final = text(
    "SELECT count(*) FILTER (WHERE state IS NULL) AS hidden,"
    " count(*) FILTER (WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum')) AS follow"
    " FROM pg_stat_replication"
)
# "FIRST 2 (a, b)", "ANY 1 (a, b)", "2 (a, b)"; a list alone means the first of it.
_COUNTED: Final = re.compile(r"\s*(?:(?:FIRST|ANY)\s+)?(\d+)\s*\(", re.IGNORECASE)


@dataclass(frozen=True)
class Replication:
    """`names` is synchronous_standby_names; `hidden`: who follows may not be seen."""

    synchronous_commit: str
    names: str
    synchronous: int = 0
    hidden: bool = False

    @property
    def waits_for(self) -> int:
        """For how many standbys a commit waits."""
        if not self.names:
            return 0
        counted = _COUNTED.match(self.names)
        return int(counted.group(1)) if counted else 1


def read(connection: Connection) -> Replication:
    """As this server has it now. PostgreSQL only."""
    said = connection.execute(_SETTINGS).one()
    follow = connection.execute(_FOLLOW).one()
    return Replication(said.waits, said.names.strip(), follow.follow, bool(follow.hidden))

"""Whether the database keeps what an operator was promised: each commit on so many machines.

A confirmed booking was said aloud. With `SYNCHRONOUS_STANDBYS` an operator says that none may be
lost with the server's machine; then PostgreSQL must wait for that many standbys at each commit.
"""

from __future__ import annotations

from typing import Final

from models.operations import standbys
from models.operations.standbys import Replication
from services.findings import Finding, good, warning
from services.store import Store

# Settings with which a commit waits for the disk of a standby, or for more than that.
_WAITS: Final = frozenset({"on", "remote_apply"})


# What is found where all is as it was promised.
FITS: Final = good("each commit is on as many disks as was promised")


def check_standbys(store: Store, wanted: int) -> Finding:
    """Compare what the server does with `wanted` (SYNCHRONOUS_STANDBYS).

    Raises as the store does. `wanted` 0 asks nothing of it.
    """
    if not wanted:
        return FITS
    with store.database.statement() as connection:
        return judge(standbys.read(connection), wanted)


def judge(found: Replication, wanted: int) -> Finding:
    """What is wrong with it, the gravest first; else that nothing is."""
    count = f"SYNCHRONOUS_STANDBYS is {wanted}"
    if found.synchronous_commit not in _WAITS:
        return warning(
            f"{count}, and synchronous_commit is {found.synchronous_commit}: a commit waits for no"
            " standby's disk",
            "ALTER SYSTEM SET synchronous_commit = on, then SELECT pg_reload_conf()",
        )
    if not found.names:
        return warning(
            f"{count}, and synchronous_standby_names is empty: a commit waits for no standby",
            f"ALTER SYSTEM SET synchronous_standby_names = 'ANY {wanted} (*)', then SELECT"
            " pg_reload_conf()",
        )
    if found.waits_for < wanted:
        return warning(
            f"{count}, and a commit waits for {found.waits_for}: synchronous_standby_names is"
            f" '{found.names}'",
            f"ALTER SYSTEM SET synchronous_standby_names = 'ANY {wanted} (*)', then SELECT"
            " pg_reload_conf()",
        )
    if found.hidden:
        return warning(
            f"{count}, and the role of DATABASE_URL may not see which standbys there are",
            "GRANT pg_monitor TO allo (the role of DATABASE_URL), as a superuser",
        )
    if found.synchronous < wanted:
        return warning(
            f"{count}, and {found.synchronous} follow: each commit waits until more of them do",
            "look why a standby does not follow (pg_stat_replication, its log); callers wait",
        )
    return FITS

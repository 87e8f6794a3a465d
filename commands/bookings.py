"""`flask bookings export`: every appointment as CSV."""

from __future__ import annotations

import csv
import sys

from zoneinfo import ZoneInfo

import click

from models import bookings
from services.store import Store

COLUMNS = (
    "reference", "channel", "centre_id", "centre_name", "start", "dose", "state", "created_at",
)  # fmt: skip


def make(store: Store) -> click.Group:
    """The group `bookings`."""

    @click.group("bookings")
    def group() -> None:
        """Look at bookings."""

    @group.command(epilog="Example: flask bookings export > bookings.csv")
    def export() -> None:
        """Every appointment as CSV on standard output.

        `start` carries the centre's own time zone, `created_at` is UTC. A reference is empty once
        it has been erased.
        """
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(COLUMNS)
        with store.database.transaction() as connection:
            for row in bookings.export(connection, store.vault):
                start = row.start_at.astimezone(ZoneInfo(row.time_zone))
                writer.writerow(
                    (
                        row.reference,
                        row.channel,
                        row.centre_id,
                        row.centre_name,
                        start.isoformat(timespec="minutes"),
                        row.dose,
                        row.state,
                        row.created_at.isoformat(timespec="seconds"),
                    )
                )

    return group

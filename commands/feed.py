"""`flask feed`: the public feed of free slots."""

from __future__ import annotations

from pathlib import Path

import click

from services.public.smart_feed import SmartFeed


def make(feed: SmartFeed, folder: Path) -> click.Group:
    """The commands `feed …`; `folder` is where `feed` writes."""

    @click.group("feed")
    def group() -> None:
        """Our free slots for others (SMART Scheduling Links)."""

    @group.command(epilog="Example: flask feed write")
    def write() -> None:
        """Write the files anew, those that changed. The scheduler does so each minute."""
        click.echo(f"{feed.write()} files are new; they are in {folder}")

    return group

"""`flask backup`: make a back-up of the whole database, and look whether it can be restored."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import click

from commands.terminal import Commands
from services.backups import backups
from services.backups.backups import Programs
from services.campaign.campaign import Campaign
from services.store import Store

# Makes the programs of a folder ("" for those that the machine finds).
MakePrograms = Callable[[str], Programs]

_BIN = click.option(
    "--bin", "programs", metavar="FOLDER", default="",
    help="Where pg_dump and pg_restore are, if they are not found.",
)  # fmt: skip
_TEXTFILE = click.option(
    "--textfile",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    help="A file ending in .prom where the textfile collector of node_exporter reads: when it went"
    " well, for the alerts.",
)


def make(
    store: Store,
    folder: Path,
    campaigns: Callable[[], Iterable[Campaign]],
    make_programs: MakePrograms,
) -> click.Group:
    """The group `backup`; `folder` is where back-ups lie unless a command says otherwise."""
    group = Commands(
        "backup", help="Back-ups of the whole database, and whether they can be restored."
    )

    @group.command("run", epilog="Example: flask backup run --to /srv/backups --keep 14")
    @click.option(
        "--to",
        "to",
        type=click.Path(path_type=Path, file_okay=False),
        default=folder,
        show_default=True,
        help="The folder; no other user may read it.",
    )
    @click.option(
        "--keep",
        type=click.IntRange(min=1),
        default=14,
        show_default=True,
        help="So many, the newest, stay in it.",
    )
    @_BIN
    @_TEXTFILE
    def run(*, to: Path, keep: int, programs: str, textfile: Path | None) -> None:
        """Make one while calls are served (pg_dump); its name tells when it was begun, in UTC.

        No key is in it: keep DATA_KEYS and INDEX_KEY elsewhere. A back-up that cannot be made
        leaves those that are there, says why, and ends with exit status 1.
        """
        made = backups.run(store, to, keep=keep, programs=make_programs(programs))
        ended = store.clock.now().timestamp()
        _tell(
            textfile,
            ("allo_backup_ended_timestamp_seconds", "When the last back-up was whole.", ended),
            ("allo_backup_bytes", "Its size.", made.bytes),
        )
        click.echo(f"{made.file}: {made.bytes} bytes")
        keys = ", ".join(str(key) for key in made.keys) or "none"
        click.echo(f"to read it takes these data keys: {keys}")

    @group.command(
        "verify",
        epilog="Example: flask backup verify FILE --into postgresql://allo_owner@/scratch",
    )
    @click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
    @click.option("--into", metavar="URL", default="", help="An empty database to restore it to.")
    @_BIN
    @_TEXTFILE
    def verify(*, file: Path, into: str, programs: str, textfile: Path | None) -> None:
        """Restore a back-up, try the keys and recount it: exit status 1 on anything.

        It is restored where --into names an empty database, as the owner of the tables reaches it
        (createdb -O allo_owner scratch); else its file is only read, to the end.
        """
        recounted = backups.verify(
            store,
            file,
            programs=make_programs(programs),
            into=into,
            campaigns=campaigns(),
            say=click.echo,
        )
        if recounted:
            verified = store.clock.now().timestamp()
            what = "When a back-up was last restored and recounted."
            _tell(textfile, ("allo_backup_restored_timestamp_seconds", what, verified))
            click.echo(f"restored and recounted: {recounted}")
        else:
            click.echo(
                f"{file} can be read; it was not restored: name an empty database with --into"
            )

    return group


def _tell(textfile: Path | None, *gauges: tuple[str, str, float]) -> None:
    """Write gauges (name, meaning, value) for node_exporter: a whole file at once."""
    if textfile is None:
        return
    from prometheus_client import CollectorRegistry, Gauge, write_to_textfile  # noqa: PLC0415 (rare)

    registry = CollectorRegistry()
    for name, meaning, value in gauges:
        Gauge(name, meaning, registry=registry).set(value)
    try:
        write_to_textfile(str(textfile), registry)
    except OSError as error:
        raise click.ClickException(f"{textfile} cannot be written: {error.strerror}") from None

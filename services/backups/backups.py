"""Back-ups of the whole database: PostgreSQL's own dump, made and tried.

`pg_dump` reads one state of the database, needs no right beyond reading, holds up no booking, and
what it writes restores into a newer version. A file takes its name when it is whole. No key is in
it: what it restores to is read with DATA_KEYS and INDEX_KEY.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path
from typing import Final

from models.database import STORE_ERRORS, Database, first_line
from models.migrations import schema
from models.migrations.schema import SchemaUnknown
from models.operations import backups
from services.backups.disk import disk_of
from services.booking.verify_store import verify_store
from services.campaign.campaign import Campaign
from services.keys.check_keys import WrongKeys, check_keys, read_canaries
from services.refused import OperatorRefused
from services.store import Store

_ALL: Final = "allo-*.dump"
# Of the newest back-up, or of the database where there is none: so much must be free.
_ROOM: Final = 1.5
_LEAST_ROOM: Final = 16 * 1024**2
# Of a program's complaint.
_LAST_LETTERS: Final = 300


class BackupRefused(OperatorRefused):
    """One sentence for the operator: what is wrong, and what to do."""


@dataclass(frozen=True)
class Programs:
    """Where PostgreSQL's programs are (empty: where the machine finds them), and what they get.

    `environment` is that of this process; a password goes with it, and never on a command line.
    """

    folder: str = ""
    environment: Mapping[str, str] | None = None

    def run(self, name: str, *arguments: str, database: Database | None = None) -> None:
        """Run a program, on a database where one is named. Raises BackupRefused where it fails."""
        environment, where = dict(self.environment or {}), list[str]()
        if database is not None:
            url = database.url.set(drivername="postgresql")
            if url.password:
                environment["PGPASSWORD"] = str(url.password)
                url = url._replace(password=None)  # `set` cannot take it away
            where.append(f"--dbname={url.render_as_string(hide_password=False)}")
        done = subprocess.run(  # noqa: S603 (PostgreSQL's own)
            [self._find(name), *arguments, *where],
            env=environment or None,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = " ".join(done.stderr.split())[-_LAST_LETTERS:] or "it said nothing"
            raise BackupRefused(f"{name} failed: {said}")

    def _find(self, name: str) -> str:
        found = shutil.which(name, path=self.folder or None)
        if found is None:
            where = self.folder or "PATH"
            raise BackupRefused(
                f"there is no {name} in {where}: install PostgreSQL's client, or name its folder"
                " with --bin"
            )
        return found


# ---------------------------------------------------------------- making one


@dataclass(frozen=True)
class Made:
    """A back-up, with the size of its file in bytes.

    `keys` are those that are needed to read what it restores to, by number as in DATA_KEYS.
    """

    file: Path
    bytes: int
    keys: tuple[int, ...]


def run(
    store: Store,
    folder: Path,
    *,
    keep: int,
    programs: Programs,
    free: Callable[[Path], int] = lambda folder: disk_of(folder).free,
) -> Made:
    """Make a back-up in `folder` and delete all but the newest `keep`. Raises BackupRefused.

    What fails leaves nothing that looks like a back-up, and the older ones.
    """
    database = store.database
    if database.is_pooled:
        raise BackupRefused(
            "a back-up needs the server's own address, past the pooler: run it with that one, as"
            ' DATABASE_URL="$MIGRATION_DATABASE_URL" flask backup run'
        )
    _make_private(folder)
    _look_for_room(database, folder, free)
    file = folder / f"allo-{store.clock.now().astimezone(UTC):%Y%m%dT%H%M%SZ}.dump"
    if file.exists():
        raise BackupRefused(f"{file} is there already: wait a second")
    # Read before: a key that is new meanwhile may be needed, one that goes is no harm.
    keys = [one.number + 1 for one in read_canaries(store) or () if one.gone_at is None]
    try:
        with _part_of(file) as part:
            # Half of it is sealed, and cannot be packed: to try hard costs minutes.
            how = ("--format=custom", "--compress=1", f"--file={part}")
            programs.run("pg_dump", *how, database=database)
            _to_disk(part)
            _sum_beside(file).write_text(f"{_digest(part)}  {file.name}\n", "utf-8")
            part.rename(file)
            _to_disk(folder)
    except OSError as error:
        file.unlink(missing_ok=True)
        _sum_beside(file).unlink(missing_ok=True)
        raise BackupRefused(
            f"{folder} is full, or nothing can be written to it ({error.strerror})"
        ) from error
    for old in found(folder)[:-keep]:
        old.unlink(missing_ok=True)
        _sum_beside(old).unlink(missing_ok=True)
    return Made(file, file.stat().st_size, tuple(keys))


def found(folder: Path) -> list[Path]:
    """The back-ups of a folder, oldest first."""
    return sorted(folder.glob(_ALL))


def _sum_beside(file: Path) -> Path:
    """What `sha256sum --check` reads, too."""
    return file.with_name(f"{file.name}.sha256")


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = stat.S_IMODE(folder.stat().st_mode)
    except OSError as error:
        raise BackupRefused(f"{folder} is no folder to write to: {error.strerror}") from error
    if mode & stat.S_IRWXO:
        raise BackupRefused(
            f"every user of this machine can get into {folder}: chmod o-rwx {folder} first"
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BackupRefused(f"this account may not write to {folder}")


def _look_for_room(database: Database, folder: Path, free: Callable[[Path], int]) -> None:
    there = found(folder)
    before = there[-1].stat().st_size if there else backups.size(database)
    needed = max(int(before * _ROOM), _LEAST_ROOM)
    left = free(folder)
    if left < needed:
        raise BackupRefused(
            f"{folder} has {_mib(left)} MiB free and the back-up may need {_mib(needed)}: make"
            " room, or name another folder"
        )


def _mib(count: int) -> int:
    return count // 1024**2


@contextmanager
def _part_of(file: Path) -> Iterator[Path]:
    """A file beside it that no other account may read, gone at the end unless it was renamed."""
    part = file.with_name(f".{file.name}.part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _to_disk(there: Path) -> None:
    opened = os.open(there, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


# ---------------------------------------------------------------- trying one


def verify(
    store: Store,
    file: Path,
    *,
    programs: Programs,
    into: str = "",
    campaigns: Iterable[Campaign] = (),
    say: Callable[[str], None] = lambda _line: None,
) -> str:
    """Look whether a back-up is whole, and what it restores to. Raises BackupRefused.

    `into` is the address of an empty database that it is restored to and recounted in: gives the
    last line of that. Without it the file is read to its end, and nothing is given. Where its sum
    lies beside it the two are compared. `say` hears of
    contradictions.
    """
    if not file.is_file():
        raise BackupRefused(f"there is no {file}")
    beside = _sum_beside(file)
    if beside.is_file() and beside.read_text("utf-8").split()[:1] != [_digest(file)]:
        raise BackupRefused(f"{file} is not what {beside.name} says: it was harmed, take another")
    if not into:
        programs.run("pg_restore", f"--file={os.devnull}", str(file))
        return ""
    scratch = Database(into)
    try:
        _restore(scratch, file, programs)
        return _recount(replace(store, database=scratch), campaigns, say)
    except (WrongKeys, SchemaUnknown) as error:
        raise BackupRefused(f"{file} was restored, and cannot be read: {error}") from None
    except STORE_ERRORS as error:
        raise BackupRefused(
            f"the database named by --into does not answer ({first_line(error)})"
        ) from None
    finally:
        scratch.dispose()


def _restore(scratch: Database, file: Path, programs: Programs) -> None:
    with scratch.statement() as connection:
        if not backups.is_empty(connection):
            raise BackupRefused(
                "the database named by --into has tables: name an empty one, for it is written to"
            )
        if not backups.may_make_tables(connection):
            name = scratch.url.database
            raise BackupRefused(
                f"the role named by --into may make no tables in {name}: name the owner of the"
                f" tables there, and make it theirs (createdb -O OWNER {name})"
            )
    how = ("--no-owner", "--no-privileges", "--exit-on-error")
    programs.run("pg_restore", *how, str(file), database=scratch)


def _recount(restored: Store, campaigns: Iterable[Campaign], say: Callable[[str], None]) -> str:
    """Compare what was restored with this version, the keys and itself; gives the last line."""
    with restored.database.statement() as connection:
        schema.known_revision(connection)
    check_keys(restored)
    verified = verify_store(restored, campaigns, limit=5, say=say)
    if verified.contradictions:
        raise BackupRefused(f"what was restored contradicts itself: {verified.last_line()}")
    return verified.last_line()

"""Back-ups of the whole database: one file and what it must hold, made and looked at.

It is made by `pg_dump` in its own format, of one state that is counted beside it: it needs no right
beyond reading, holds up no booking, and restores into a newer version. A back-up is there when its
manifest is: both take their names when they are whole. No key is in either; the manifest says by
their numbers which ones are needed to read it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC
from pathlib import Path
from typing import Final

from models.database import STORE_ERRORS, Database, first_line
from models.migrations import schema
from models.operations import backups
from models.operations.backups import Contents
from services.backups.disk import disk_of
from services.booking.verify_store import verify_store
from services.campaign.campaign import Campaign
from services.keys.check_keys import WrongKeys, check_keys
from services.store import Store

FORMAT: Final = 1
DUMP: Final = "dump"
MANIFEST: Final = ".json"
_PART: Final = ".part"
_NAME: Final = re.compile(r"allo-\d{8}T\d{6}Z\.dump")
_VERSION: Final = re.compile(r"\(PostgreSQL\) (\d+)")
# Of the newest back-up, or of the database where there is none: so much must be free.
_ROOM: Final = 1.5
_LEAST_ROOM: Final = 16 * 1024**2
_BLOCK: Final = 1024**2
# Of a program's complaint.
_LAST_LETTERS: Final = 300


class BackupRefused(Exception):
    """One sentence for the operator: what is wrong, and what to do."""


@dataclass(frozen=True)
class Manifest:
    """What stands beside a back-up; moments are UTC. `keys` are numbers, as in DATA_KEYS."""

    file: str
    kind: str
    began_at: str
    ended_at: str
    bytes: int
    sha256: str
    revision: str
    rows: dict[str, int]
    keys: tuple[int, ...]
    made_by: str = ""
    format: int = FORMAT


@dataclass(frozen=True)
class Programs:
    """Where PostgreSQL's programs are (empty: where the machine finds them), and what they get.

    `environment` is that of this process; a password goes with it, and never on a command line.
    """

    folder: str = ""
    environment: Mapping[str, str] | None = None

    def find(self, name: str) -> str:
        """Raises BackupRefused."""
        found = shutil.which(name, path=self.folder or None)
        if found is None:
            where = self.folder or "PATH"
            raise BackupRefused(
                f"there is no {name} in {where}: install PostgreSQL's client, or name its folder"
                " with --bin"
            )
        return found

    def run(self, name: str, database: Database, *arguments: str) -> str:
        """What a program says. Raises BackupRefused where it fails."""
        environment = dict(self.environment or {})
        url = database.url.set(drivername="postgresql")
        if url.password:
            environment["PGPASSWORD"] = str(url.password)
            url = url._replace(password=None)  # `set` cannot take it away
        done = subprocess.run(  # noqa: S603 (PostgreSQL's own)
            [self.find(name), *arguments, f"--dbname={url.render_as_string(hide_password=False)}"],
            env=environment or None,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BackupRefused(f"{name} failed: {_end_of(done.stderr)}")
        return done.stdout

    def version(self, name: str) -> int:
        """The major version of a program. Raises BackupRefused."""
        said = subprocess.run(  # noqa: S603 (PostgreSQL's own)
            [self.find(name), "--version"], capture_output=True, text=True, check=False
        ).stdout
        found = _VERSION.search(said)
        if found is None:
            raise BackupRefused(f"{name} does not say which version it is: {said.strip()[:80]!r}")
        return int(found[1])


def _end_of(said: str) -> str:
    return " ".join(said.split())[-_LAST_LETTERS:] or "it said nothing"


# ---------------------------------------------------------------- making one


def run(
    store: Store,
    folder: Path,
    *,
    keep: int,
    programs: Programs,
    free: Callable[[Path], int] = lambda folder: disk_of(folder).free,
) -> Manifest:
    """Make a back-up in `folder` and delete all but the newest `keep`. Raises BackupRefused.

    What fails leaves nothing that looks like a back-up.
    """
    database = store.database
    _make_private(folder)
    _look_for_room(database, folder, free)
    began = store.clock.now().astimezone(UTC)
    file = folder / f"allo-{began:%Y%m%dT%H%M%SZ}.{DUMP}"
    if file.exists():
        raise BackupRefused(f"{file} is there already: wait a second")
    with _part_of(file) as part, _disk(folder):
        held, made_by = _dump(database, part, programs)
        manifest = Manifest(
            file=file.name,
            kind=DUMP,
            began_at=began.isoformat(timespec="seconds"),
            ended_at=store.clock.now().astimezone(UTC).isoformat(timespec="seconds"),
            bytes=part.stat().st_size,
            sha256=_checksum(part),
            revision=held.revision,
            rows=held.rows,
            keys=held.keys,
            made_by=made_by,
        )
        _to_disk(part)
        part.rename(file)
        _write_manifest(file, manifest)
    _forget_old(folder, keep)
    return manifest


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
    before = there[-1].bytes if there else backups.size(database)
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
    part = file.with_name(f".{file.name}{_PART}")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise BackupRefused(
            f"{folder} is full: no back-up was made, the older ones stay"
        ) from error


def _dump(database: Database, part: Path, programs: Programs) -> tuple[Contents, str]:
    if database.is_pooled:
        raise BackupRefused(
            "a back-up needs the server's own address, past the pooler: run it with that one, as"
            ' DATABASE_URL="$MIGRATION_DATABASE_URL" flask backup run'
        )
    ours, theirs = programs.version("pg_dump"), backups.server_version(database)
    if ours < theirs:
        raise BackupRefused(
            f"{programs.find('pg_dump')} is of PostgreSQL {ours} and the server of {theirs}: an"
            " older pg_dump cannot read it; install the client of the server's version, or name"
            " its folder with --bin"
        )
    with backups.exported(database) as (snapshot, held):
        # Half of it is sealed, and cannot be packed: to try hard costs minutes.
        how = ("--format=custom", "--compress=1", f"--snapshot={snapshot}", f"--file={part}")
        programs.run("pg_dump", database, *how)
    return held, f"pg_dump {ours} of a server {theirs}"


def _checksum(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _to_disk(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


def _write_manifest(file: Path, manifest: Manifest) -> None:
    beside = file.with_name(file.name + MANIFEST)
    with _part_of(beside) as part:
        part.write_text(json.dumps(asdict(manifest), indent=1, sort_keys=True) + "\n", "utf-8")
        _to_disk(part)
        part.rename(beside)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def found(folder: Path) -> list[Manifest]:
    """The back-ups of a folder, oldest first; what has no readable manifest is none."""
    manifests = []
    for file in sorted(folder.glob(f"allo-*{MANIFEST}")):
        with suppress(BackupRefused):
            manifest = read_manifest(file)
            if (folder / manifest.file).is_file():
                manifests.append(manifest)
    return manifests


def _forget_old(folder: Path, keep: int) -> None:
    for old in found(folder)[:-keep]:
        file = folder / old.file
        # In this order: a file without its manifest is no back-up.
        file.with_name(file.name + MANIFEST).unlink(missing_ok=True)
        file.unlink(missing_ok=True)


# ---------------------------------------------------------------- looking at one


@dataclass(frozen=True)
class Looked:
    """`restored`: it was restored and recounted; `last_line` tells what was counted."""

    manifest: Manifest
    restored: bool
    last_line: str = ""


def read_manifest(file: Path) -> Manifest:
    """The manifest of a back-up, by the name of either. Raises BackupRefused."""
    beside = file if file.name.endswith(MANIFEST) else file.with_name(file.name + MANIFEST)
    try:
        told = json.loads(beside.read_text("utf-8"))
        manifest = Manifest(**{**told, "keys": tuple(told["keys"])})
    except FileNotFoundError:
        raise BackupRefused(
            f"there is no {beside}: without its manifest it is no back-up"
        ) from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BackupRefused(f"{beside} cannot be read as a manifest: {error}") from None
    if manifest.format != FORMAT or not _NAME.fullmatch(manifest.file):
        raise BackupRefused(f"{beside} is the manifest of another version of this service")
    return manifest


def verify(
    store: Store,
    file: Path,
    *,
    programs: Programs,
    into: str = "",
    campaigns: Iterable[Campaign] = (),
    say: Callable[[str], None] = lambda _line: None,
) -> Looked:
    """Look whether a back-up is whole, and what it restores to. Raises BackupRefused.

    `into` is the address of an empty database that it is restored to; without it only the file is
    looked at. `say` hears of contradictions.
    """
    manifest = read_manifest(file)
    backup = file.parent / manifest.file
    _look_at_file(backup, manifest)
    if manifest.revision > schema.newest():
        raise BackupRefused(
            f"{backup} is of schema {manifest.revision}, and this version of the service knows"
            f" {schema.newest()}: look at it with the version that made it"
        )
    missing = set(manifest.keys) - {number + 1 for number in store.vault.numbers}
    if missing:
        named = ", ".join(str(one) for one in sorted(missing))
        raise BackupRefused(f"{backup} needs data keys that DATA_KEYS does not have: {named}")
    _read_list(programs, backup)
    if not into:
        return Looked(manifest, restored=False)
    _restore(into, backup, programs)
    line = _recount(store, into, manifest, campaigns, say)
    return Looked(manifest, restored=True, last_line=line)


def _look_at_file(backup: Path, manifest: Manifest) -> None:
    try:
        size = backup.stat().st_size
    except OSError:
        raise BackupRefused(f"{backup} is not there, and its manifest is") from None
    if size != manifest.bytes:
        raise BackupRefused(f"{backup} has {size} bytes, and its manifest says {manifest.bytes}")
    if _checksum(backup) != manifest.sha256:
        raise BackupRefused(f"{backup} is not what was written: its checksum differs")


def _read_list(programs: Programs, backup: Path) -> None:
    done = subprocess.run(  # noqa: S603 (PostgreSQL's own)
        [programs.find("pg_restore"), "--list", str(backup)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BackupRefused(f"pg_restore cannot read {backup}: {_end_of(done.stderr)}")


def _restore(into: str, backup: Path, programs: Programs) -> None:
    scratch = Database(into, pool_size=1)
    try:
        with scratch.statement() as connection:
            if not backups.is_empty(connection):
                raise BackupRefused(
                    "the database named by --into has tables: name an empty one, for it is written"
                    " to"
                )
            if not backups.may_make_tables(connection):
                name = scratch.url.database
                raise BackupRefused(
                    f"the role named by --into may make no tables in {name}: name the owner of the"
                    f" tables there, and make it theirs (createdb -O OWNER {name})"
                )
        programs.run(
            "pg_restore",
            scratch,
            "--no-owner",
            "--no-privileges",
            "--exit-on-error",
            str(backup),
        )
    except STORE_ERRORS as error:
        raise BackupRefused(
            f"the database named by --into does not answer ({first_line(error)})"
        ) from None
    finally:
        scratch.dispose()


def _recount(
    store: Store,
    url: str,
    manifest: Manifest,
    campaigns: Iterable[Campaign],
    say: Callable[[str], None],
) -> str:
    """Compare what was restored with the manifest, the keys and itself; gives the last line."""
    scratch = Database(url)
    restored = replace(store, database=scratch)
    try:
        with scratch.snapshot() as connection:
            held = backups.contents(connection)
        if held.rows != manifest.rows or held.revision != manifest.revision:
            wrong = sorted(
                name
                for name in {*held.rows, *manifest.rows}
                if held.rows.get(name) != manifest.rows.get(name)
            )
            named = ", ".join(wrong) or "its revision"
            raise BackupRefused(f"{manifest.file} restores to something else, see {named}")
        check_keys(restored)
        verified = verify_store(restored, campaigns, limit=5, say=say)
    except WrongKeys as error:
        raise BackupRefused(f"{manifest.file} cannot be read with these keys: {error}") from None
    except STORE_ERRORS as error:
        raise BackupRefused(
            f"{manifest.file} restores to a database that cannot be read ({first_line(error)})"
        ) from None
    finally:
        scratch.dispose()
    if verified.contradictions:
        raise BackupRefused(f"{manifest.file} contradicts itself: {verified.last_line()}")
    return verified.last_line()

"""The folder of the feed on a machine: one publisher at a time, and copies from the store.

Files are kept compressed (gzip) and nothing else: a million slots are half a gigabyte of text.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import json
import os
import re
import threading
import time

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Final, Protocol, TypeVar

import structlog

from models.database import Connection
from models.operations import shared_files
from models.operations.shared_files import FEED
from services.public.feed_pieces import Edition, Piece, packed, read_edition
from services.public.feed_resources import NOWHERE
from services.store import Store

PATH: Final = "/api/slots"
MANIFEST: Final = "$bulk-publish"
LOCATIONS: Final = "locations.ndjson"
SCHEDULES: Final = "schedules.ndjson"
# The list of all files, for machines alone: it has no address.
EDITION: Final = packed("edition.json")
# Files as a URL may name them; slots of a département are put together from its pieces.
NAMES: Final = re.compile(
    r"(?:locations|schedules|slots-[0-9AB]{2,3}"
    r"|centre-[A-Za-z0-9.-]{1,64}(?:_[0-9]{4}-(?:W[0-9]{2}|[0-9]{2}-[0-9]{2}))?)\.ndjson"
)
OF_DEPARTEMENT: Final = re.compile(r"slots-([0-9AB]{2,3})\.ndjson")
# A machine looks so often (seconds) whether another wrote anything, where a reader asks it for the
# feed; the first of all waits so long for an answer.
COPIED_EVERY: Final = 10.0
PATIENCE_SECONDS: Final = 3.0
# Two locks of a folder: one process writes into it at a time, and none while another copies.
WRITING: Final = "writer"
COPYING: Final = "copier"

_T = TypeVar("_T")
log = structlog.get_logger()


class FeedCopy:
    """The feed as another machine wrote it, copied into a folder of this one.

    May be used by several threads, and several processes of a machine. `ticks` is a monotonic clock
    in seconds.
    """

    def __init__(
        self, store: Store, folder: Path, *, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        self._store, self._folder, self._ticks = store, folder, ticks
        self._lock = threading.Lock()
        self._reader: threading.Thread | None = None
        self._next = float("-inf")

    def look(self) -> None:
        """A reader asks for the feed: look whether there is another one, by a thread.

        Only where there is none at all its end is waited for, and that not for long.
        """
        with self._lock:
            if self._reader is None and self._ticks() >= self._next:
                self._reader = threading.Thread(target=self._read, name="feed copy", daemon=True)
                self._reader.start()
            reader = self._reader
        if reader is not None and not (self._folder / packed(MANIFEST)).exists():
            reader.join(PATIENCE_SECONDS)

    def _read(self) -> None:
        try:
            self.copy()
        except Exception as error:  # noqa: BLE001 (what is there is given meanwhile)
            log.warning("feed not copied", error=type(error).__name__)
        finally:
            with self._lock:
                self._reader, self._next = None, self._ticks() + COPIED_EVERY

    def copy(self) -> int:
        """Copy what is other than here; gives how many files. The manifest comes last."""
        if not self._is_other():
            return 0
        with alone(self._folder, COPYING) as ours:
            read = self._store.database.read_late
            return copy_into(self._folder, read) if ours else 0

    def _is_other(self) -> bool:
        there = self._store.database.read_late(_tag_there)
        return there is not None and there != tag_here(self._folder)


def _tag_there(connection: Connection) -> str | None:
    return shared_files.tag_there(connection, EDITION)


def tag_here(folder: Path) -> str | None:
    """What names the list in the folder; None where there is none."""
    with contextlib.suppress(OSError):
        return shared_files.tag_of((folder / EDITION).read_bytes())
    return None


class Read(Protocol):
    """How the store is read: on a replica, or where it is written."""

    def __call__(self, work: Callable[[Connection], _T], /) -> _T: ...


def copy_into(folder: Path, read: Read) -> int:
    """Let a folder have what the store has; gives how many files came. It is locked already.

    All new files are fetched before the first of them takes its place. Where the store has another
    list meanwhile, nothing is changed: the next look has all of it.
    """
    tag = read(_tag_there)
    body = read(partial(body_of, EDITION, tag)) if tag else None
    there = read_edition(body) if body else None
    if there is None or body is None:
        # Nothing is there, or another version wrote it, which this one does not understand.
        return 0
    here = _edition_in(folder)
    has = dict(here.all_files()) if here else {}
    present = {path.name for path in folder.iterdir()}
    wanted = dict(there.all_files())
    new: dict[str, Piece] = {}
    for name, piece in wanted.items():
        was = has.get(name)
        if was and was.tag == piece.tag and was.changed == piece.changed and name in present:
            continue
        content = read(partial(body_of, name, piece.tag))
        if content is None:
            break
        staged(folder, name).write_bytes(content)
        new[name] = piece
    else:
        settle(folder, body, new, left_over(folder, there))
        return len(new)
    for name in new:
        staged(folder, name).unlink()
    return 0


def settle(folder: Path, body: bytes, new: Mapping[str, Piece], gone: Iterable[str]) -> None:
    """Let staged files take their places, then the manifest, then the list; what is gone goes.

    A file has its moment of the store: then it has one ETag, whichever machine gives it.
    """
    for name in sorted(new, key=lambda one: one == packed(MANIFEST)):
        one = staged(folder, name)
        _dates(one, new[name])
        one.replace(folder / name)
    one = staged(folder, EDITION)
    one.write_bytes(body)
    one.replace(folder / EDITION)
    for name in gone:
        (folder / name).unlink(missing_ok=True)


def left_over(folder: Path, edition: Edition) -> set[str]:
    """Files of the folder that are none of an edition's, and wait for no place in it."""
    wanted = {EDITION, *(name for name, _ in edition.all_files())}
    names = (path.name for path in folder.iterdir() if path.suffix in {".gz", ".new"})
    return {name for name in names if name.removesuffix(".new") not in wanted}


def staged(folder: Path, name: str) -> Path:
    """Where a file waits until it takes its place."""
    return folder / f"{name}.new"


def unstage(folder: Path) -> None:
    """Remove what a process left that did not come to its end."""
    for file in folder.glob("*.new"):
        file.unlink()


def pieces_of(folder: Path, departement: str) -> list[str]:
    """The names of a département's pieces, as the manifest in the folder has them."""
    path = folder / packed(MANIFEST)
    try:
        told = _by_departement(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        return []
    return told.get(departement, [])


@lru_cache(maxsize=2)
def _by_departement(path: Path, _changed: int) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    with gzip.open(path) as file:
        outputs = json.load(file)["output"]
    for output in outputs:
        if output["type"] == "Slot":
            (where,) = output.get("extension", {}).get("state", [NOWHERE])
            found.setdefault(where, []).append(output["url"].rpartition("/")[2])
    return found


def _edition_in(folder: Path) -> Edition | None:
    with contextlib.suppress(OSError, ValueError, EOFError, KeyError):
        return read_edition((folder / EDITION).read_bytes())
    return None


def _dates(path: Path, piece: Piece) -> None:
    os.utime(path, ns=(piece.changed * 1000, piece.changed * 1000))


def body_of(name: str, tag: str, connection: Connection) -> bytes | None:
    return shared_files.read(connection, FEED, name, tag)


@contextlib.contextmanager
def alone(folder: Path, name: str, *, waits: bool = False) -> Iterator[bool]:
    """Whether no other process of this machine does the same there; none does in this block.

    `waits`: until the other is done.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True

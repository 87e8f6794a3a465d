"""Style sheets and scripts of pages, of the versions that run beside one another.

While one machine has the next version and another has not, a page of the one may ask the other for
its files: an address names a version (`?v=`), so each installation puts its files into the store,
and a web worker looks there for a version that its own machine has not.
"""

from __future__ import annotations

import threading
import time

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final

import structlog

from models.operations import shared_files
from models.operations.shared_files import ASSETS, Stored
from services.store import Store

# A worker asks which versions there are at most so often (seconds): an address may be made up.
LISTED_EVERY: Final = 5.0
# A page that is open for so long loads nothing any more. Of each name some stay in any case: a
# version may run for longer than that before the next one comes.
KEPT: Final = timedelta(days=30)
KEPT_VERSIONS: Final = 3
# Of other versions, in the memory of a worker.
_IN_MEMORY: Final = 32

log = structlog.get_logger()


def share(store: Store, files: Mapping[str, Path]) -> int:
    """Put the files of this installation into the store, by their names; gives how many."""
    for name, path in files.items():
        with store.database.transaction() as connection:
            body = path.read_bytes()
            file = Stored(name, shared_files.tag_of(body), body)
            shared_files.put(connection, store.clock, ASSETS, [file])
    with store.database.transaction() as connection:
        shared_files.forget_unwanted(connection, store.clock, ASSETS, KEPT, but=KEPT_VERSIONS)
    return len(files)


class OtherVersions:
    """One for each web worker; used by all of its threads. `ticks` is a monotonic clock."""

    def __init__(self, store: Store, *, ticks: Callable[[], float] = time.monotonic) -> None:
        self._store, self._ticks = store, ticks
        self._looking = threading.Lock()
        self._next = float("-inf")
        self._tags: dict[str, list[str]] = {}
        self._body = lru_cache(maxsize=_IN_MEMORY)(self._read)

    def find(self, name: str, version: str) -> bytes | None:
        """A version of a file, by the beginning of its SHA-256; "": the newest one.

        None where there is none, or the store does not answer.
        """
        tag = self._tag(name, version)
        if tag is None:
            self._look()
            tag = self._tag(name, version)
        if tag is None:
            return None
        try:
            return self._body(name, tag)
        except Exception as error:  # noqa: BLE001 (the file of this machine is given instead)
            log.warning("another version not read", error=type(error).__name__)
            return None

    def _tag(self, name: str, version: str) -> str | None:
        newest_first = reversed(self._tags.get(name, []))
        return next((tag for tag in newest_first if tag.startswith(version)), None)

    def _look(self) -> None:
        if self._ticks() < self._next or not self._looking.acquire(blocking=False):
            return
        try:
            with self._store.database.statement() as connection:
                found = shared_files.listed(connection, ASSETS)
        except Exception as error:  # noqa: BLE001 (it is asked again after a while)
            log.warning("other versions not listed", error=type(error).__name__)
        else:
            tags: dict[str, list[str]] = {}
            for name, tag in found:
                tags.setdefault(name, []).append(tag)
            self._tags = tags
        finally:
            self._next = self._ticks() + LISTED_EVERY
            self._looking.release()

    def _read(self, name: str, tag: str) -> bytes | None:
        with self._store.database.statement() as connection:
            return shared_files.read(connection, ASSETS, name, tag)

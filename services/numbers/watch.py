"""The numbers of a file that is read again when it changes, as campaigns are.

A call pays a look at the file every two seconds, and nothing else.
"""

from __future__ import annotations

import time

from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from services.numbers.file import load
from services.numbers.numbers import BadNumbers, CalledNumber, Known, Numbers
from services.watched_files import WatchedFiles

log = structlog.get_logger()


def read(
    national: str,
    source: str | Path,
    known: Callable[[], Known],
    *,
    ticks: Callable[[], float] = time.monotonic,
) -> Numbers:
    """The numbers of a file; `national` is NATIONAL_NUMBER. Raises BadNumbers with all mistakes.

    `known` is asked each time that the file is read; `ticks` is a monotonic clock in seconds.
    """
    file = _File(Path(source), known, ticks)
    return Numbers(national, file.numbers, watch=file.changed)


class _File:
    """A file that is watched, with the greetings beside it.

    What is faulty is told, and what was known before stays.
    """

    def __init__(
        self, source: Path, known: Callable[[], Known], ticks: Callable[[], float]
    ) -> None:
        self._source = source
        self._known = known
        first = stamp(source)
        self.numbers = load(source, known())
        self._watched = WatchedFiles(first, lambda: stamp(source), ticks)

    def changed(self) -> Sequence[CalledNumber] | None:
        """The numbers, when they have changed."""
        return self._watched.when_changed(self._read_again)

    def _read_again(self, _stamps: object) -> Sequence[CalledNumber] | None:
        try:
            self.numbers = load(self._source, self._known())
        except BadNumbers as bad:
            log.warning("numbers kept", problems=bad.problems)
            return None
        except Exception as error:  # noqa: BLE001 (what is known serves: a caller is waiting)
            log.warning("numbers not read", error=type(error).__name__)
            return None
        log.info("numbers read", count=len(self.numbers))
        return self.numbers


def stamp(source: Path) -> tuple[tuple[str, int, int, int], ...]:
    """What the file and the texts in folders beside it look like."""
    looked = [source, *sorted(source.parent.glob("*/??.txt"))]
    found = []
    for path in looked:
        try:
            there = path.stat()
        except OSError:
            continue
        found.append((str(path), there.st_mtime_ns, there.st_size, there.st_ino))
    return tuple(found)

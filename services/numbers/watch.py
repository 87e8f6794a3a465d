"""The numbers of a file that is read again when it changes, as campaigns are.

A call pays a look at the file every two seconds, and nothing else.
"""

from __future__ import annotations

import threading
import time

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from services.numbers.file import load
from services.numbers.numbers import BadNumbers, CalledNumber, Known, Numbers

log = structlog.get_logger()

LOOK_SECONDS = 2.0


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


@dataclass
class _File:
    """A file looked at every two seconds, with the greetings beside it.

    A change is read when two looks in a row saw it: an editor that is in the middle of saving
    changes nothing yet. What is faulty is told, and what was known before stays.
    """

    source: Path
    known: Callable[[], Known]
    ticks: Callable[[], float]
    numbers: tuple[CalledNumber, ...] = ()
    _looking: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._stamp = self._seen = stamp(self.source)
        self.numbers = load(self.source, self.known())
        self._next_look = self.ticks() + LOOK_SECONDS

    def changed(self) -> Sequence[CalledNumber] | None:
        """The numbers, when they have changed."""
        if self.ticks() < self._next_look or not self._looking.acquire(blocking=False):
            return None
        try:
            self._next_look = self.ticks() + LOOK_SECONDS
            return self._look()
        except BadNumbers as bad:
            log.warning("numbers kept", problems=bad.problems)
        except Exception as error:  # noqa: BLE001 (what is known serves: a caller is waiting)
            log.warning("numbers not read", error=type(error).__name__)
        finally:
            self._looking.release()
        return None

    def _look(self) -> Sequence[CalledNumber] | None:
        now = stamp(self.source)
        settled, self._seen = now == self._seen, now
        if now == self._stamp or not settled:
            return None
        # A faulty file is not read again until it changes.
        self._stamp = now
        self.numbers = load(self.source, self.known())
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

"""Recorded answers of partners, read from files: what `flask partners read` prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from partners import reading
from partners.motives import is_reserved_centre
from partners.platforms import PARTNERS, READERS
from partners.reading import UNKNOWN, Context, LeftOut, NotAnAnswer, Reading, ReadSlot, by_time

__all__ = ["NAMES", "PARTNERS", "READERS", "UNKNOWN", "FileRead", "FilesRead", "read_files"]

# As people know them, by their name in the store.
NAMES: Final = {partner.name: partner.shown for partner in PARTNERS.values()}
PAST: Final = "it lies in the past"
RESERVED: Final = "the centre is for professionals"


@dataclass(frozen=True)
class FileRead:
    """What one file told: a reading, or the sentence that says why it is none."""

    path: Path
    reading: Reading | None = None
    refused: str = ""


@dataclass(frozen=True)
class FilesRead:
    """All files; `slots` of all of them together, each once, `repeated` those told again."""

    files: Sequence[FileRead] = ()
    slots: Sequence[ReadSlot] = ()
    repeated: int = 0
    left_out: int = field(default=0)


def read_files(
    platform: str,
    paths: Sequence[Path],
    *,
    centre: str = "",
    motive: str = "",
    now: datetime | None = None,
) -> FilesRead:
    """Read recorded answers of one platform; each is the context of the others.

    A booking page, a list of motives or of centres beside the slots tells what these are for.
    `centre` and `motive` (its id or name) are what was asked for where the answer does not repeat
    it. With `now` (aware) what lies before it is left out. Bad files are told, never raised.
    """
    reader = READERS[platform]
    context = Context(centre=centre, motive=motive)
    payloads: dict[int, Any] = {}
    refused: dict[int, str] = {}
    for number, path in enumerate(paths):
        try:
            payloads[number] = reading.parse(reading.read_bytes(path))
            context = context.plus(reader(payloads[number], context))
        except NotAnAnswer as no:
            refused[number] = str(no)
    context = replace(context, motive=context.named(motive))
    kept = {own for own, one in context.centres.items() if is_reserved_centre(one.name)}
    files = []
    together: dict[ReadSlot, ReadSlot] = {}
    repeated = left_out = 0
    for number, path in enumerate(paths):
        if number in refused:
            files.append(FileRead(path, refused=refused[number]))
            continue
        # The slots of centres that their own name keeps for professionals, and those that are past.
        read = _without(reader(payloads[number], context), lambda one: one.centre in kept, RESERVED)
        read = _without(read, lambda one: now is not None and one.start_at < now, PAST)
        # Whatever second appointments come with it, a moment is one.
        new = {replace(slot, seconds_at=None): slot for slot in read.slots}
        repeated += read.repeated + len(new.keys() & together.keys())
        left_out += len(read.left_out)
        together = new | together
        files.append(FileRead(path, read))
    return FilesRead(files, sorted(together.values(), key=by_time), repeated, left_out)


def _without(read: Reading, is_out: Callable[[ReadSlot], bool], why: str) -> Reading:
    """Without these slots, which are told as left out."""
    out = [slot for slot in read.slots if is_out(slot)]
    told = (LeftOut(f"slot at {slot.start_at:%Y-%m-%dT%H:%M:%SZ}", why) for slot in out)
    return replace(
        read,
        slots=tuple(slot for slot in read.slots if not is_out(slot)),
        left_out=(*read.left_out, *told),
    )

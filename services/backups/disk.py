"""The disk that a folder of this machine is on."""

from __future__ import annotations

import shutil

from pathlib import Path
from typing import NamedTuple


class Disk(NamedTuple):
    """In bytes."""

    total: int
    free: int


def disk_of(folder: Path) -> Disk:
    """Measure the disk of a folder, or of what it would be made in where it is not made yet.

    Raises OSError where the disk does not answer.
    """
    there = next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
    usage = shutil.disk_usage(there)
    return Disk(usage.total, usage.free)

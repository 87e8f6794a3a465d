"""Short folders for sockets whose own folder has a path that no socket can have."""

from __future__ import annotations

import os
import stat

from contextlib import suppress
from pathlib import Path

from tools.launcher.errors import CannotStart


def make_folder(folder: Path, user: int, group: int) -> None:
    """Make a folder of that user's, which others may not enter. Raises CannotStart."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        os.chown(folder, user, group)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != user or found.st_mode & 0o077:
        raise CannotStart(f"{folder} is there already and open to others; remove it")


def remove_folder(folder: Path) -> None:
    """Remove it once nothing lies in it any more."""
    with suppress(OSError):
        folder.rmdir()

"""Where pictures of pages go, and an empty store to take them with: for `*_pictures`."""

from __future__ import annotations

import tempfile

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog

from playwright.sync_api import Browser

from models.migrations.runner import upgrade
from tests.browser.stage import chromium
from tests.support import parts
from tests.support.keeper import ROOT


@contextmanager
def album(words: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """The folder that the first word names, else the docs' own; and the URL of a new database."""
    folder = Path(words[0]) if words else ROOT / "docs" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory() as temporary:
        url = f"sqlite:///{temporary}/pictures.sqlite3"
        upgrade(url)
        yield folder, url


@contextmanager
def found_chromium() -> Iterator[Browser]:
    """The browser of this machine."""
    path = parts.find_chromium()
    assert path is not None, parts.lacking(parts.BROWSER)
    with chromium(path) as browser:
        yield browser

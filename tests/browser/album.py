"""Where pictures of pages go, and empty stores to take them with: for `*_pictures`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog

from playwright.sync_api import Browser

from tests.browser.stage import chromium
from tests.support import parts
from tests.support.keeper import ROOT
from tests.support.postgres import empty_stores


@contextmanager
def album(words: Sequence[str]) -> Iterator[tuple[Path, Callable[[], str]]]:
    """The folder that the first word names, else the docs' own; and what makes empty stores."""
    folder = Path(words[0]) if words else ROOT / "docs" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with empty_stores() as create:
        yield folder, create


@contextmanager
def found_chromium() -> Iterator[Browser]:
    """The browser of this machine."""
    path = parts.find_chromium()
    assert path is not None, parts.lacking(parts.BROWSER)
    with chromium(path) as browser:
        yield browser

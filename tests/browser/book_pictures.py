"""Pictures of public booking: `python -m tests.browser.book_pictures [FOLDER]`."""

from __future__ import annotations

import sys
import tempfile

from functools import partial
from pathlib import Path

import structlog

from playwright.sync_api import Page

from models.migrations.runner import upgrade
from tests.browser.book_stage import Site, site
from tests.browser.stage import chromium
from tests.support import parts
from tests.support.keeper import ROOT


def take(made: Site, folder: Path) -> None:
    """A couple from the first question to the last page, narrow and wide."""
    for number, width in enumerate((390, 1280)):
        person = made.visitor(width=width)
        page = person.page
        picture = partial(_picture, page, folder, width)
        person.opens()
        picture("start")
        person.starts("two").is_born("31", "2", "1942")
        page.wait_for_selector("#problems")
        picture("error")
        person.is_born().is_at("commune")
        person.lives().is_at("creneaux")
        picture("offers")
        person.takes().is_at("joindre")
        person.is_reached(f"06 12 34 56 7{number}")
        picture("confirm")
        person.confirms().is_at("fait")
        page.click("main form button")
        person.is_at("naissance").is_born("1", "avril", "1944").is_at("creneaux")
        person.takes().is_at("confirmer").confirms().is_at("fait")
        picture("done")


def _picture(page: Page, folder: Path, width: int, name: str) -> None:
    page.screenshot(path=folder / f"book-{name}-{width}.png", full_page=True)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    path = parts.find_chromium()
    assert path is not None
    with tempfile.TemporaryDirectory() as temporary:
        url = f"sqlite:///{temporary}/pictures.sqlite3"
        upgrade(url)
        with chromium(path) as browser, site(url, browser) as made:
            take(made, folder)


if __name__ == "__main__":
    main()

"""Pictures of public booking: `python -m tests.browser.book_pictures [FOLDER]`."""

from __future__ import annotations

import sys

from functools import partial
from pathlib import Path

from playwright.sync_api import Page

from tests.browser.album import album, found_chromium
from tests.browser.book_stage import Site, site


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
    with (
        album(sys.argv[1:]) as (folder, create),
        found_chromium() as browser,
        site(create(), browser) as made,
    ):
        take(made, folder)


if __name__ == "__main__":
    main()

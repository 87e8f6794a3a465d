"""Pictures of an agent's desk: `python -m tests.browser.desk_pictures [FOLDER]`."""

from __future__ import annotations

import sys

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.album import album, found_chromium
from tests.browser.desk_stage import DeskStage, desk_stage, gives_up_at_the_offers, reaches_nobody


def take(staged: DeskStage, folder: Path) -> None:
    """An agent with a caller who gave up at the offers, ready to confirm; wide and narrow."""
    for width in (390, 1280):
        desk = staged.sits_down(width=width)
        page = desk.page
        desk.ready()
        gives_up_at_the_offers(staged.rings())
        desk.answers()
        expect(page.locator(".offers .offer")).to_have_count(3)
        page.keyboard.press("2")
        expect(page.locator(".read-back")).to_be_focused()
        page.screenshot(path=folder / f"desk-{width}.png", full_page=True)
        desk.hangs_up()
        desk.is_("wrapup")
        page.select_option("#code", "information")
        page.click("#actions .primary")
        desk.is_("ready")
        page.click('form[action="/poste/absent"] button')
        desk.is_("offline")


def take_case(staged: DeskStage, folder: Path) -> None:
    """An agent with time has opened the case of a text that arrived nowhere; wide and narrow."""
    reaches_nobody(staged.house, "+33698765432")
    for width in (390, 1280):
        desk = staged.sits_down(width=width)
        page = desk.page
        page.locator("#cases .cases button").first.click()
        expect(page.locator("#case-title")).to_be_focused()
        page.locator("#cases").screenshot(path=folder / f"desk-case-{width}.png")


def main() -> None:
    with (
        album(sys.argv[1:]) as (folder, create),
        found_chromium() as browser,
        desk_stage(browser, create()) as staged,
    ):
        take(staged, folder)
        take_case(staged, folder)


if __name__ == "__main__":
    main()

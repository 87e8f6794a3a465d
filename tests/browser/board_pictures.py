"""Takes pictures of the board: `python -m tests.browser.board_pictures [FOLDER] [--all]`.

With `--all` also each state of the wall: nobody at work, quiet, busy, and figures of another hour.
"""

from __future__ import annotations

import sys

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.browser.album import album, found_chromium
from tests.browser.board_stage import BoardStage, board_stage, opens

# Name, width and path.
TAKEN = (
    ("board-1280", 1280, "/supervision"),
    ("board-390", 390, "/supervision"),
    ("board-wall", 1920, "/supervision?mur=1"),
)


def freezes(staged: BoardStage) -> None:
    """Nobody writes the figures any more."""
    staged.house.clock.advance(timedelta(seconds=60))  # type: ignore[attr-defined]


STATES: dict[str, Callable[[BoardStage], None]] = {
    "busy": BoardStage.passes,
    "old": freezes,
    "nobody": BoardStage.goes_home,
    "quiet": BoardStage.is_quiet,
}


def hangs(page: Page) -> None:
    """As it hangs on a wall: with nothing to press but what closes it."""
    page.get_by_role("button", name="Laisser affiché douze heures").click()
    page.wait_for_url("**/supervision/mur")
    page.wait_for_selector("#chart-hour canvas")


def take(browser: Browser, staged: BoardStage, folder: Path) -> None:
    for name, width, where in TAKEN:
        page = opens(browser, staged, width, where)
        page.wait_for_selector("#chart-hour canvas")
        if name == "board-wall":
            hangs(page)
        page.wait_for_timeout(500)
        page.screenshot(path=folder / f"{name}.png")
        page.context.close()


def take_states(browser: Browser, staged: BoardStage, folder: Path) -> None:
    wall = opens(browser, staged, 1920, "/supervision?mur=1")
    wall.wait_for_selector("#chart-hour canvas")
    hangs(wall)
    others = [(width, opens(browser, staged, width)) for width in (1280, 390)]
    for name, happens in STATES.items():
        happens(staged)
        if name != "old":
            # An alert that is over ends with the next second.
            staged.passes()
        for kind, page in (("wall", wall), *((str(width), page) for width, page in others)):
            # It asks each second.
            page.wait_for_timeout(2500)
            page.screenshot(path=folder / f"{kind}-{name}.png")


def main() -> None:
    words = [word for word in sys.argv[1:] if word != "--all"]
    with (
        album(words) as (folder, create),
        board_stage(create()) as staged,
        found_chromium() as browser,
    ):
        take(browser, staged, folder)
        if "--all" in sys.argv:
            take_states(browser, staged, folder)


if __name__ == "__main__":
    main()

"""Takes pictures of the board: `python -m tests.browser.board_pictures [FOLDER]`."""

from __future__ import annotations

import sys

from tests.browser.album import album, found_chromium
from tests.browser.board_stage import board_stage, opens

# Name, width and path.
TAKEN = (
    ("board-1280", 1280, "/supervision"),
    ("board-390", 390, "/supervision"),
    ("board-wall", 1920, "/supervision?mur=1"),
)


def main() -> None:
    with (
        album(sys.argv[1:]) as (folder, url),
        board_stage(url) as staged,
        found_chromium() as browser,
    ):
        for name, width, where in TAKEN:
            page = opens(browser, staged, width, where)
            page.wait_for_selector("#chart-length canvas")
            if name == "board-wall":
                # As it hangs there: with nothing to press but what closes it.
                page.get_by_role("button", name="Laisser affiché douze heures").click()
                page.wait_for_url("**/supervision/mur")
                page.wait_for_selector("#chart-length canvas")
            page.wait_for_timeout(500)
            page.screenshot(path=folder / f"{name}.png")
            page.context.close()


if __name__ == "__main__":
    main()

"""Takes pictures of the board: `python -m tests.browser.board_pictures [FOLDER]`."""

from __future__ import annotations

import sys
import tempfile

from pathlib import Path

import structlog

from models.migrations.runner import upgrade
from tests.browser.board_stage import board_stage, opens
from tests.browser.stage import chromium
from tests.support.keeper import ROOT
from tests.support.parts import BROWSER, find_chromium, lacking

# Name, width and path.
TAKEN = (
    ("board-1280", 1280, "/supervision"),
    ("board-390", 390, "/supervision"),
    ("board-wall", 1920, "/supervision?mur=1"),
)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    path = find_chromium()
    assert path is not None, lacking(BROWSER)
    with tempfile.TemporaryDirectory() as temporary:
        url = f"sqlite:///{temporary}/pictures.sqlite3"
        upgrade(url)
        with board_stage(url) as staged, chromium(path) as browser:
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

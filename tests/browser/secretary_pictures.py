"""Takes pictures of a centre's page: `python -m tests.browser.secretary_pictures [FOLDER]`."""

from __future__ import annotations

import sys
import tempfile

from pathlib import Path

import structlog

from models.migrations.runner import upgrade
from tests.browser.secretary_stage import secretary_stage
from tests.browser.stage import chromium
from tests.support.keeper import ROOT
from tests.support.parts import BROWSER, find_chromium, lacking

PEOPLE = 24


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    path = find_chromium()
    assert path is not None, lacking(BROWSER)
    with tempfile.TemporaryDirectory() as temporary:
        url = f"sqlite:///{temporary}/pictures.sqlite3"
        upgrade(url)
        with secretary_stage(url, people=PEOPLE) as staged, chromium(path) as browser:
            for width in (390, 1280):
                page = staged.opens(browser, width)
                page.get_by_role("button", name="Appeler la personne suivante").click()
                page.wait_for_selector(".ringing")
                page.goto(f"{staged.url}/centre")
                page.screenshot(path=folder / f"centre-{width}.png", full_page=width > 1000)
                if width < 1000:
                    page.locator("#doses").scroll_into_view_if_needed()
                    page.evaluate("document.getElementById('doses').scrollIntoView()")
                    page.screenshot(path=folder / "centre-doses-390.png")
                page.context.close()


if __name__ == "__main__":
    main()

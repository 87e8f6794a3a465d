"""Takes pictures of a centre's page: `python -m tests.browser.secretary_pictures [FOLDER]`."""

from __future__ import annotations

import sys

from tests.browser.album import album, found_chromium
from tests.browser.secretary_stage import secretary_stage

PEOPLE = 24


def main() -> None:
    with (
        album(sys.argv[1:]) as (folder, url),
        secretary_stage(url, people=PEOPLE) as staged,
        found_chromium() as browser,
    ):
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

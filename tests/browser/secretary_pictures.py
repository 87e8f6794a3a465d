"""Takes pictures of a centre's page: `python -m tests.browser.secretary_pictures [FOLDER]`.

With `locked` behind the folder: what a secretary sees 1, 8 and 60 seconds after the store was
locked for 50, by a clock on the wall.
"""

from __future__ import annotations

import sys
import threading
import time

from pathlib import Path

from playwright.sync_api import Browser, Page

from services.centre_day.secretary import read_day
from tests.browser.album import album, found_chromium
from tests.browser.secretary_stage import SecretaryStage, secretary_stage
from tests.browser.test_desk_locked import SESSIONS
from tests.support import locks as store_locks

PEOPLE = 24
LOCKED_FOR = 50
LOOKED_AT = (1, 8, 60)


def main() -> None:
    with (
        album(sys.argv[1:2]) as (folder, create),
        secretary_stage(create(), people=PEOPLE) as staged,
        found_chromium() as browser,
    ):
        if "locked" in sys.argv[2:]:
            locked(staged, browser, folder)
            return
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
            if sys.argv[1:]:
                # The documentation shows the day alone.
                found(staged, page, folder, width)
            page.context.close()


def found(staged: SecretaryStage, page: Page, folder: Path, width: int) -> None:
    """Somebody found by their birth date, a code that was read and one of no use, and paper."""
    expected = [one for one in read_day(staged.at).people if not one.state]
    page.goto(f"{staged.url}/centre")
    year, month, day = expected[0].born.split("-")
    page.fill("#find", f"{day}{month}{year}")
    page.keyboard.press("Enter")
    page.wait_for_selector(".come:focus")
    page.screenshot(path=folder / f"centre-found-{width}.png")
    link = staged.link_of(expected[-1].booking_id)
    page.fill("#find", link)
    page.keyboard.press("Enter")
    page.wait_for_selector(".undo-last")
    page.screenshot(path=folder / f"centre-scanned-{width}.png")
    page.click(".undo-last")
    page.fill("#find", f"{link[:-2]}00")
    page.keyboard.press("Enter")
    page.wait_for_selector("#find-told.problem")
    page.screenshot(path=folder / f"centre-no-code-{width}.png")
    page.goto(f"{staged.url}/centre?jour=2026-11-25")
    page.screenshot(path=folder / f"centre-yesterday-{width}.png")
    page.goto(f"{staged.url}/centre/imprimer")
    page.screenshot(path=folder / f"centre-paper-{width}.png", full_page=True)
    page.goto(link.replace("https://allo.example", staged.url))
    page.screenshot(path=folder / f"mine-code-{width}.png", full_page=True)


def locked(staged: SecretaryStage, browser: Browser, folder: Path) -> None:
    """A table that each request reads is locked by somebody else, as by a back-up that hangs."""
    pages = [(width, staged.opens(browser, width)) for width in (390, 1280)]
    expected = [one for one in read_day(staged.at).people if not one.state]
    begun = threading.Event()

    def hold() -> None:
        url = staged.house.database.url.render_as_string(hide_password=False)
        with store_locks.locked(url, SESSIONS):
            begun.set()
            time.sleep(LOCKED_FOR)

    holder = threading.Thread(target=hold)
    holder.start()
    begun.wait()
    start = time.monotonic()
    for (_, page), one in zip(pages, expected, strict=False):
        row = page.locator(f'[data-key="{one.key}"]')
        row.get_by_role("button", name="Présent").click()
        # And begin to type the next one's date of birth, the day and the month.
        page.fill("#find", "".join(reversed(one.born.split("-")[1:])))
    for seconds in LOOKED_AT:
        for _, page in pages:
            # A browser's own time goes on while it is waited for.
            page.wait_for_timeout(max(0.0, start + seconds - time.monotonic()) * 1000)
        for width, page in pages:
            page.screenshot(path=folder / f"centre-locked-{seconds}s-{width}.png")
    holder.join()
    told = [page.locator("#silent").inner_text() for _, page in pages]
    states = [one.state for one in read_day(staged.at).people][-len(expected) :]
    print(f"after {LOOKED_AT[-1]} s: {told}; stored: {states}")  # noqa: T201
    for _, page in pages:
        page.context.close()


if __name__ == "__main__":
    main()

"""Pictures of one's own appointment: `python -m tests.browser.mine_pictures [FOLDER]`.

All pages in a folder that is named; else those of the docs.
"""

from __future__ import annotations

import sys

from collections.abc import Callable, Collection
from pathlib import Path

from services.short_links import Links
from tests.browser.album import album, found_chromium
from tests.browser.book_stage import Person, Site, site
from tests.online.visitors import text_to
from tests.support.house import MOBILE

# Those that the docs show.
SHOWN = frozenset({"see", "offers", "code"})

See = Callable[[Person, str], None]


def links(made: Site) -> None:
    """Let texts of this house have addresses of this server in them."""
    object.__setattr__(made.house.store, "links", Links(made.url, "a-secret-of-the-tests"))


def booked(made: Site, number: str = MOBILE) -> str:
    """Somebody booked both appointments by telephone; the path of their link."""
    caller = made.house.phone(number).goes_to("reach")
    caller.answers("1").books()
    return text_to(made.house).partition(made.url)[2].split('"')[0]


def proves(person: Person, day: str = "12") -> None:
    for name, text in (("day", day), ("month", "3"), ("year", "1942")):
        person.page.fill(f"#{name}", text)
    person.page.click("main form button")


def all_pages(
    made: Site, person: Person, link: str, see: See, first: str = "/mon-rendez-vous"
) -> None:
    """From the page at `first` to the last one; `see` looks at each, by a name."""
    page = person.page
    person.opens(first)
    see(person, "ask")
    page.fill("#reference", "45210")
    proves(person)
    see(person, "error")
    page.fill("#reference", "4521000001")
    proves(person)
    page.wait_for_url("**/envoye*")
    see(person, "sent")
    person.opens(link)
    proves(person, day="13")
    see(person, "refused")
    proves(person)
    page.wait_for_url("**/voir")
    see(person, "see")
    page.click("button[value=move]")
    see(person, "move-which")
    page.click("button[value=both]")
    page.wait_for_url("**/creneaux")
    see(person, "offers")
    page.locator(".offers button").first.click()
    page.wait_for_url("**/deplacer")
    see(person, "move-check")
    page.click("button[value=yes]")
    page.wait_for_url("**/voir")
    see(person, "moved")
    page.click("button[value=cancel]")
    page.click("button[value=both]")
    page.wait_for_url("**/annuler")
    see(person, "cancel-check")
    page.click("button[value=yes]")
    page.wait_for_url("**/voir")
    see(person, "cancelled")
    page.click("button[value=undo]")
    page.wait_for_selector("button[value=cancel]")
    other = made.visitor(width=page.viewport_size["width"]) if page.viewport_size else person
    other.comes_to_offers().page.click("aside form button")
    other.page.wait_for_selector("ol .number")
    see(other, "code")


def take(made: Site, folder: Path, names: Collection[str] = ()) -> None:
    links(made)
    for number, width in enumerate((390, 1280)):
        link = booked(made, f"+3361234567{number}")

        def see(person: Person, name: str, width: int = width) -> None:
            if not names or name in names:
                person.page.screenshot(path=folder / f"mine-{name}-{width}.png", full_page=True)

        all_pages(made, made.visitor(width=width), link, see)


def main() -> None:
    with (
        album(sys.argv[1:]) as (folder, create),
        found_chromium() as browser,
        site(create(), browser) as made,
    ):
        take(made, folder, () if len(sys.argv) > 1 else SHOWN)


if __name__ == "__main__":
    main()

"""One's own appointment, from the reference to a move, a cancellation and a code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser

from services.short_links import Links
from tests.browser.book_stage import Person, Site, site
from tests.browser.gallery.eye import Eye, Stage
from tests.online.visitors import text_to
from tests.support.house import MOBILE


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


@contextmanager
def begins(database_url: str, browser: Browser) -> Iterator[Site]:
    with site(database_url, browser) as made:
        links(made)
        yield made


def all_of_it(made: Site, eye: Eye) -> None:
    """From the first page to the last one."""
    link = booked(made, "+33612345670")
    person = made.visitor()
    page = person.page
    eye.contexts.append(page.context)
    # The first page of all goes by its address; those behind it by what the browser remembers.
    eye.speaks(page, made.url)
    person.opens(eye.path("/mon-rendez-vous"))
    eye.sees(page, "ask")
    page.fill("#reference", "45210")
    proves(person)
    eye.sees(page, "error")
    page.fill("#reference", "4521000001")
    proves(person)
    page.wait_for_url("**/envoye*")
    eye.sees(page, "sent")
    person.opens(link)
    proves(person, day="13")
    eye.sees(page, "refused")
    proves(person)
    page.wait_for_url("**/voir")
    eye.sees(page, "see")
    page.click("button[value=move]")
    eye.sees(page, "move-which")
    page.click("button[value=both]")
    page.wait_for_url("**/creneaux")
    eye.sees(page, "offers")
    page.locator(".offers button").first.click()
    page.wait_for_url("**/deplacer")
    eye.sees(page, "move-check")
    page.click("button[value=yes]")
    page.wait_for_url("**/voir")
    eye.sees(page, "moved")
    page.click("button[value=cancel]")
    page.click("button[value=both]")
    page.wait_for_url("**/annuler")
    eye.sees(page, "cancel-check")
    page.click("button[value=yes]")
    page.wait_for_url("**/voir")
    eye.sees(page, "cancelled")
    page.click("button[value=undo]")
    page.wait_for_selector("button[value=cancel]")


def a_code_for_the_telephone(made: Site, eye: Eye) -> None:
    person = made.visitor()
    page = person.page
    eye.contexts.append(page.context)
    eye.speaks(page, made.url)
    person.comes_to_offers()
    page.click("aside form button")
    page.wait_for_selector("ol .number")
    eye.sees(page, "code")


WALKS = (all_of_it, a_code_for_the_telephone)
STAGE = Stage("mine", begins, WALKS)

"""One's own appointment, from the reference to a move, a cancellation and a code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser

from tests.browser.book_stage import Person, Site, site
from tests.browser.gallery.eye import COUNTRY, Eye, Stage
from tests.browser.mine_pictures import all_pages, booked, links


@contextmanager
def begins(database_url: str, browser: Browser) -> Iterator[Site]:
    with site(database_url, browser) as made:
        links(made)
        yield made


def all_of_it(made: Site, eye: Eye) -> None:
    person = made.visitor()
    eye.contexts.append(person.page.context)
    # The first page of all goes by its address; those behind it by what the browser remembers.
    eye.speaks(person.page, made.url)

    def see(one: Person, name: str) -> None:
        if one is not person:
            # A browser of its own, which was in no language yet.
            eye.contexts.append(one.page.context)
            eye.speaks(one.page, made.url)
            if eye.language != COUNTRY:
                one.page.click("aside form button")
                one.page.wait_for_selector("ol .number")
        eye.sees(one.page, name)

    all_pages(made, person, booked(made, "+33612345670"), see, eye.path("/mon-rendez-vous"))


WALKS = (all_of_it,)
STAGE = Stage("mine", begins, WALKS)

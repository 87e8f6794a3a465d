"""One's own appointment in a real browser: by keyboard, narrow, read by anyone, alone."""

from __future__ import annotations

import pytest

from playwright.sync_api import Browser

from tests.browser.book_stage import Person, site
from tests.browser.mine_pictures import all_pages, booked, links, proves
from tests.browser.test_public import sideways
from tests.support.pages import fetched, hindrances

pytestmark = pytest.mark.browser


def test_every_page_hinders_nobody_and_the_keyboard_is_enough(browser: Browser, database_url: str):
    fetched()
    with site(database_url, browser) as made:
        links(made)
        seen: list[str] = []

        def see(person: Person, name: str) -> None:
            seen.append(name)
            assert hindrances(person.page) == [], name
            assert sideways(person.page) <= 0, name

        all_pages(made, made.visitor(width=320), booked(made), see)
        assert len(seen) == 12

        # Without a script, by keys alone: the appointment is seen and cancelled.
        person = made.visitor(script=False)
        link = booked(made, "+33612345679")
        person.opens(link)
        page = person.page
        page.focus("#day")
        for text in ("12", "3", "1942"):
            page.keyboard.type(text)
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url("**/voir")
        page.focus("button[value=cancel]")
        page.keyboard.press("Enter")
        page.focus("button[value=both]")
        page.keyboard.press("Enter")
        page.focus("button[value=yes]")
        page.keyboard.press("Enter")
        page.wait_for_selector("button[value=undo]")
        # "Back" is the question again, and asks for nothing twice.
        page.go_back()
        page.go_forward()
        assert [one.state for one in made.house.bookings()].count("cancelled") == 2
        # Shown to nobody who comes by later.
        page.click("form:has(button.quiet) button")
        assert page.request.get(f"{made.url}/mon-rendez-vous/voir").status == 410
        proved = made.visitor()
        proved.opens(link)
        proves(proved)
        proved.page.wait_for_url("**/voir")

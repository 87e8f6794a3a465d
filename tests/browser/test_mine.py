"""One's own appointment in a real browser, by the keyboard."""

from __future__ import annotations

import pytest

from playwright.sync_api import Browser

from tests.browser.book_stage import site
from tests.browser.gallery.mine import booked, links, proves

pytestmark = pytest.mark.browser


def test_the_keyboard_is_enough_without_a_script(browser: Browser, database_url: str):
    """The appointment is seen and cancelled."""
    with site(database_url, browser) as made:
        links(made)
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

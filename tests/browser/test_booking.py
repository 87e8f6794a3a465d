"""Public booking in a browser, on the whole service: with a script and without, and by keyboard."""

from __future__ import annotations

import re

from collections.abc import Iterator
from datetime import timedelta

import pytest

from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from models.booking.tables import booking
from prompts.screens import LANGUAGES
from services.online.web_sessions import LEASE
from tests.browser.book_stage import Site, site
from tests.support.pages import violations
from tests.support.running_clock import RunningClock


@pytest.fixture
def made(browser: Browser, database_url: str) -> Iterator[Site]:
    with site(database_url, browser) as one:
        yield one


def references(made: Site) -> set[str]:
    return {row.reference for row in made.house.bookings()}


def waits(made: Site, seconds: float) -> None:
    clock = made.house.clock
    assert isinstance(clock, RunningClock)
    clock._moment += timedelta(seconds=seconds)


def fits(page: Page) -> bool:
    """Whether nothing makes the page scroll sideways."""
    return bool(
        page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
    )


@pytest.mark.parametrize("script", [True, False], ids=["with a script", "without"])
def test_a_couple_books_side_by_side_and_every_page_can_be_used(made: Site, script: bool):  # noqa: FBT001
    """Narrow, as at 200 % zoom on a small telephone: 320 css pixels."""
    person = made.visitor(script=script, width=320, height=700)
    page = person.page
    seen: list[str] = []

    def looks(name: str) -> None:
        assert fits(page), name
        if script:
            # A checker is a script, too.
            seen.extend(f"{name}: {one}" for one in violations(page))

    person.opens()
    looks("start")
    person.starts("two")
    looks("birth")
    person.is_born("31", "2", "1942")
    expect(page.locator("#problems")).to_be_visible()
    expect(page.locator("#day")).to_have_value("31")
    if script:
        expect(page.locator("#problems")).to_be_focused()
    page.click("#problems a")
    if script:
        expect(page.locator("#day")).to_be_focused()
    looks("birth wrong")
    person.is_born().is_at("commune").lives().is_at("creneaux")
    looks("offers")
    person.takes().is_at("joindre")
    if script:
        expect(page.locator("#question")).to_be_focused()
    looks("reach")
    person.is_reached()
    looks("confirm")
    person.confirms().is_at("fait")
    looks("first")
    page.reload()
    page.click("main form button")
    person.is_at("naissance").is_born("1", "avril", "1944").is_at("creneaux")
    looks("beside")
    person.takes().is_at("confirmer").confirms().is_at("fait")
    expect(page.locator(".ticket")).to_have_count(2)
    looks("done")
    page.reload()
    expect(page.locator(".ticket")).to_have_count(2)
    assert seen == []
    assert len(references(made)) == 2
    assert made.house.held() == 0


@pytest.mark.parametrize("language", [code for code in LANGUAGES if code != "fr"])
def test_a_visitor_books_in_their_language_from_the_first_page_on(made: Site, language: str):
    """From the link on the first page to the text: no page falls back to French."""
    person = made.visitor(width=390, height=800)
    page = person.page
    seen: list[str] = []

    def looks() -> None:
        assert page.locator("html").get_attribute("lang") == language, page.url
        seen.extend(f"{page.url}: {one}" for one in violations(page))

    page.goto(made.url)
    page.click(f"a.language[lang={language}]")
    looks()
    page.goto(f"{made.url}/rendez-vous?lang={language}")
    looks()
    page.check("input[value=self]")
    page.click("main form button")
    person.is_at("naissance")
    looks()
    person.is_born().is_at("commune")
    looks()
    person.lives().is_at("creneaux")
    looks()
    person.takes().is_at("joindre")
    looks()
    person.is_reached()
    looks()
    person.confirms().is_at("fait")
    looks()
    assert seen == []
    with made.house.database.statement() as connection:
        assert list(connection.scalars(select(booking.c.language))) == [language]


def test_back_two_tabs_double_click_and_refresh_book_once_and_lose_nothing(made: Site):
    person = made.visitor().comes_to_confirm()
    page = person.page
    # Back shows what was typed, and a new answer to it counts.
    page.go_back()
    person.is_at("joindre")
    expect(page.locator("#number")).to_have_value("06 12 34 56 78")
    page.go_forward()
    person.is_at("confirmer")
    # A second tab goes on; the first is told where the visit is, and books nothing twice.
    tab = person.another_tab().opens("/rendez-vous/confirmer").is_at("confirmer")
    page.reload()
    person.is_at("confirmer")
    page.dblclick("button.confirm")
    person.is_at("fait")
    tab.confirms().is_at("fait")
    expect(tab.page.locator(".reference")).to_have_count(1)
    assert tab.page.inner_text(".reference") == page.inner_text(".reference")
    page.go_back()
    page.wait_for_url(re.compile("/rendez-vous/fait"))
    page.reload()
    expect(page.locator(".reference")).to_have_count(1)
    assert len(references(made)) == 1
    assert len(made.house.messages()) == 1


def test_a_hold_that_ends_is_said_and_a_slot_that_went_leads_to_others(made: Site):
    person = made.visitor().comes_to_confirm()
    page = person.page
    expect(page.locator(".countdown .left")).to_contain_text("4 min")
    waits(made, LEASE.total_seconds() + 1)
    page.reload()
    expect(page.locator("text=n’est plus gardé")).to_be_visible()
    # Somebody else has all that the slot had meanwhile.
    chosen = page.inner_text(".check")
    with made.house.database.transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE place SET blocked = true WHERE slot_id = (SELECT min(id) FROM slot)"
        )
    person.confirms().is_at("creneaux")
    expect(page.locator("text=vient d’être pris")).to_be_visible()
    assert made.house.bookings() == []
    person.takes().is_at("confirmer")
    # Nothing was asked again, and it is another hour.
    assert page.inner_text(".check") != chosen
    expect(page.locator(".check")).to_contain_text("12 mars 1942")
    person.confirms().is_at("fait")
    assert len(references(made)) == 1


class Keyboard:
    """Somebody who has a keyboard and no mouse; `keys` counts what they press, letters included."""

    def __init__(self, page: Page) -> None:
        self.page, self.keys = page, 0

    def presses(self, key: str) -> None:
        self.keys += 1
        self.page.keyboard.press(key)

    def writes(self, text: str) -> None:
        self.keys += len(text)
        self.page.keyboard.type(text)

    def goes_to(self, selector: str) -> None:
        """Tab until there, on a page that stands: a person sees it before they press a key.

        While htmx puts a page in, the focus is nowhere yet, and each key would go through the
        whole head.
        """
        self.page.wait_for_function(
            "() => !document.querySelector('.htmx-request, .htmx-swapping, .htmx-added,"
            " .htmx-settling')"
        )
        for _ in range(40):
            if self.page.evaluate("s => document.activeElement?.matches(s)", selector):
                return
            self.presses("Tab")
        raise AssertionError(f"no way to {selector}")

    def is_born(self, day: str, month: str, year: str) -> None:
        for name, text in (("day", day), ("month", month), ("year", year)):
            self.goes_to(f"#{name}")
            self.writes(text)
        self.presses("Enter")

    def chooses(self, selector: str) -> None:
        self.goes_to(selector)
        self.presses("Enter")


# Key actions of a booking, letters of answers included: 50 and 68 when this was written, with
# a few to spare. More than these is a longer way for whoever has no mouse.
MOST_KEYS = {"self": 55, "two": 75}


@pytest.mark.parametrize("whom", ["self", "two"])
def test_with_the_keyboard_alone(made: Site, whom: str):
    person = made.visitor(width=390)
    page, keyboard = person.page, Keyboard(person.page)
    person.opens()
    keyboard.presses("Tab")
    expect(page.locator(".skip")).to_be_focused()
    keyboard.presses("Enter")
    keyboard.goes_to("input[name=whom]")
    for _ in range({"self": 0, "two": 2}[whom]):
        keyboard.presses("ArrowDown")
    keyboard.chooses("main button")
    person.is_at("naissance")
    keyboard.is_born("12", "mars", "42")
    person.is_at("commune")
    keyboard.goes_to("#where")
    keyboard.writes("75011")
    keyboard.presses("Enter")
    person.is_at("creneaux")
    keyboard.chooses(".offers button")
    person.is_at("joindre")
    keyboard.goes_to("#number")
    keyboard.writes("0612345678")
    keyboard.presses("Enter")
    person.is_at("confirmer")
    keyboard.chooses("button.confirm")
    person.is_at("fait")
    if whom == "two":
        keyboard.chooses("main form button")
        person.is_at("naissance")
        keyboard.is_born("1", "4", "44")
        person.is_at("creneaux")
        keyboard.chooses(".offers button")
        person.is_at("confirmer")
        keyboard.chooses("button.confirm")
        person.is_at("fait")
        expect(page.locator(".ticket")).to_have_count(2)
    assert len(references(made)) == {"self": 1, "two": 2}[whom]
    assert keyboard.keys <= MOST_KEYS[whom], keyboard.keys


def test_a_day_and_an_hour_are_chosen_with_the_keyboard_and_the_back_key_leads_back(made: Site):
    person = made.visitor(width=390).comes_to_offers()
    page, keyboard = person.page, Keyboard(person.page)
    keyboard.chooses(".others a")
    person.is_at("jours")
    assert violations(page) == []
    keyboard.chooses(".days li:nth-child(2) a")
    page.wait_for_url("**/jours?jour=*")
    assert violations(page) == []
    # The browser's key and the page's link lead the same way, and nothing is lost.
    page.go_back()
    expect(page.locator(".days")).to_be_visible()
    keyboard.chooses(".back")
    person.is_at("creneaux")
    expect(page.locator(".offers li")).to_have_count(3)
    assert violations(page) == []
    page.go_back()
    expect(page.locator(".days")).to_be_visible()
    keyboard.chooses(".days li:nth-child(2) a")
    page.wait_for_url("**/jours?jour=*")
    keyboard.chooses(".hours button")
    person.is_at("joindre")
    expect(page.locator(".offer")).to_contain_text("27 novembre")
    # Back over the questions: each has what was given.
    for slug, field, value in (
        ("creneaux", "", ""),
        ("commune", "#where", "75011"),
        ("naissance", "#year", "1942"),
    ):
        keyboard.chooses(".back")
        person.is_at(slug)
        if field:
            expect(page.locator(field)).to_have_value(value)

"""Signing in with a real browser: by keyboard alone, each page in two widths and schemes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from playwright.sync_api import Browser, Page, expect

from models.accounts import factors
from services.accounts import staff as accounts
from services.accounts.second_factor import (
    RECOVERY_CODES,
    code_at,
    new_recovery_codes,
    recovery_index,
)
from tests.browser.stage import served, shelf
from tests.support.forms import code_of, has_code
from tests.support.house import House, house
from tests.support.pages import fetched, hindrances

pytestmark = pytest.mark.browser

LOGIN, PASSWORD = "camille", "cheval correct pile agrafe"
# Each page is checked in both; the next one is opened in the last.
LOOKS = ((1280, "light"), (390, "dark"))


@dataclass
class Desk:
    """Somebody's browser in front of the service; `troubles` is what it complained of."""

    house: House
    url: str
    page: Page
    troubles: list[str] = field(default_factory=list)

    def goes(self, path: str) -> None:
        self.page.goto(f"{self.url}{path}")

    def types(self, *words: str) -> None:
        """Type into the field that has the keyboard, and the ones after it; then send.

        A browser gives it the keyboard with the first picture that it paints, which may be some
        time after the page has loaded: what is typed before that is lost.
        """
        self.page.wait_for_function("document.activeElement instanceof HTMLInputElement")
        for number, word in enumerate(words):
            if number:
                self.page.keyboard.press("Tab")
            self.page.keyboard.type(word)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def path(self) -> str:
        return self.page.url.removeprefix(self.url)


@pytest.fixture
def desk(browser: Browser, database_url: str) -> Iterator[Desk]:
    fetched()
    with house(database_url) as made:
        made.settings = made.settings.model_copy(update={"public_base_url": "http://127.0.0.1"})
        with served(made.application()) as url:
            page = shelf.take(browser, width=390, height=800)
            one = Desk(made, url, page)

            def noted(message: Any) -> None:
                # A form that was refused is no trouble of the page.
                if message.type == "error" and "status of 4" not in message.text:
                    one.troubles.append(message.text)

            page.on("console", noted)
            page.on("pageerror", lambda error: one.troubles.append(str(error)))
            yield one
            shelf.give_back(page)
            assert one.troubles == []


def looks_right(desk: Desk) -> None:
    """In both looks nothing hinders anybody, and nothing sticks out at the side."""
    for width, scheme in LOOKS:
        desk.page.set_viewport_size({"width": width, "height": 800})
        desk.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert hindrances(desk.page) == [], (width, scheme)
        wide: int = desk.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, width


def test_an_agent_signs_in_by_keyboard_alone_and_changes_the_password(desk: Desk):
    who = desk.house.employs("agent", login=LOGIN, password=PASSWORD, temporary=True)
    secret = has_code(desk.house, who.id)
    desk.goes("/compte")
    looks_right(desk)
    desk.types(LOGIN, "wrong wrong wrong")
    expect(desk.page.get_by_role("alert")).to_have_text("Identifiant ou mot de passe incorrect.")
    looks_right(desk)
    # What was typed is still there, and the keyboard is in it.
    desk.page.keyboard.press("Tab")
    desk.types(PASSWORD)
    assert desk.path().startswith("/connexion/code")
    looks_right(desk)
    desk.types(code_of(desk.house, secret))
    assert desk.path().startswith("/connexion/mot-de-passe")
    looks_right(desk)
    desk.page.focus("#new")
    desk.types("le soleil brille sur Brest", "le soleil brille sur Brest")
    assert desk.path() == "/compte"
    expect(desk.page.get_by_role("heading", level=1)).to_have_text("Camille Agent")
    looks_right(desk)


def test_a_supervisor_takes_a_second_factor_from_the_picture(desk: Desk):
    desk.house.employs("supervisor", login=LOGIN, password=PASSWORD)
    desk.goes("/connexion?next=/compte")
    desk.types(LOGIN, PASSWORD)
    assert desk.path().startswith("/connexion/inscription")
    expect(desk.page.locator("figure svg")).to_be_visible()
    looks_right(desk)
    secret = desk.page.inner_text(".secret").replace(" ", "")

    desk.types(code_at(secret, desk.house.clock.now()))
    # Recovery codes come with it, once.
    assert desk.path().startswith("/compte/secours")
    looks_right(desk)
    with desk.page.expect_navigation():
        desk.page.get_by_role("button", name="Montrer de nouveaux codes").click()
    expect(desk.page.locator(".recovery-codes code")).to_have_count(RECOVERY_CODES)
    looks_right(desk)
    with desk.page.expect_navigation():
        desk.page.get_by_role("link", name="C’est noté, continuer").click()
    assert desk.path() == "/compte"


def test_a_recovery_code_lets_in_whoever_lost_the_device(desk: Desk):
    who = desk.house.employs("agent", login=LOGIN, password=PASSWORD)
    has_code(desk.house, who.id)
    (code, *_) = new_recovery_codes()
    with desk.house.database.transaction() as connection:
        index = recovery_index(desk.house.store.vault, who.id, code)
        factors.replace_codes(connection, desk.house.clock, who.id, [index])
    desk.goes("/connexion?next=/compte")
    desk.types(LOGIN, PASSWORD)
    desk.page.get_by_text("Appareil perdu").click()
    looks_right(desk)
    desk.page.fill("#recovery", code)
    with desk.page.expect_navigation():
        desk.page.keyboard.press("Enter")
    assert desk.path() == "/compte"
    looks_right(desk)


def test_the_account_to_try_with_shows_its_code(desk: Desk):
    accounts.make_demonstration(desk.house.store)
    desk.goes("/connexion?next=/compte")
    desk.types("supervisor", accounts.DEMONSTRATION_PASSWORD)
    looks_right(desk)
    desk.types(desk.page.inner_text("#demonstration-code"))
    assert desk.path() == "/compte"
    with desk.page.expect_navigation():
        desk.page.get_by_role("button", name="Se déconnecter", exact=True).click()
    assert desk.path() == "/connexion"
    desk.goes("/compte")
    assert desk.path().startswith("/connexion")

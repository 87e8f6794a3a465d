"""Passkeys in a real browser, with an authenticator that its developer tools stand in for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from flask import Flask
from playwright.sync_api import Browser, CDPSession, Page, expect

from tests.browser.stage import PATIENCE_MS, served
from tests.support.forms import has_code
from tests.support.house import House, house
from tests.support.pages import fetched, hindrances

pytestmark = pytest.mark.browser

LOGIN, PASSWORD = "camille", "cheval correct pile agrafe"


@dataclass
class Machine:
    """Somebody's browser with a key in it; `url` is the public address of the service."""

    house: House
    url: str
    page: Page
    tools: CDPSession
    key: str

    def signs_in(self, wanted: str = "/compte") -> None:
        self.page.goto(f"{self.url}/connexion?next={wanted}")
        self.page.fill("#login", LOGIN)
        self.page.fill("#password", PASSWORD)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def presses(self, name: str) -> None:
        with self.page.expect_navigation():
            self.page.get_by_role("button", name=name, exact=True).click()

    def path(self) -> str:
        return self.page.url.removeprefix(self.url)

    def owner_is_verified(self, *, verified: bool) -> None:
        about = {"authenticatorId": self.key, "isUserVerified": verified}
        self.tools.send("WebAuthn.setUserVerified", about)

    def looks_right(self) -> None:
        """Nothing hinders anybody, and nothing sticks out at the side, wide or narrow."""
        for width in (1280, 390):
            self.page.set_viewport_size({"width": width, "height": 800})
            assert hindrances(self.page) == [], width
            wide: int = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, width


@pytest.fixture
def machine(browser: Browser, database_url: str) -> Iterator[Machine]:
    fetched()
    apps: list[Flask] = []

    def behind(environ: Any, start: Any) -> Any:
        return apps[0](environ, start)

    with house(database_url) as made, served(behind) as numbers:  # type: ignore[arg-type]
        url = numbers.replace("127.0.0.1", "localhost")
        made.settings = made.settings.model_copy(update={"public_base_url": url})
        apps.append(made.application())
        context = browser.new_context(viewport={"width": 390, "height": 800}, locale="fr-FR")
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        troubles: list[str] = []
        page.on("pageerror", lambda error: troubles.append(str(error)))
        tools = context.new_cdp_session(page)
        tools.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
        }
        added = tools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        yield Machine(made, url, page, tools, added["authenticatorId"])
        context.close()
        assert troubles == []


def test_a_key_is_made_at_the_first_sign_in_and_opens_the_next(machine: Machine):
    machine.house.employs("agent", login=LOGIN, password=PASSWORD)
    machine.signs_in()
    assert machine.path().startswith("/connexion/inscription")
    machine.looks_right()
    machine.page.fill("#passkey-name", "ordinateur du poste 4")
    machine.presses("Créer une clé d’accès")
    assert machine.path().startswith("/compte/secours")
    machine.page.goto(f"{machine.url}/compte")
    named = machine.page.get_by_role("textbox", name="Nom de la clé d’accès")
    expect(named).to_have_value("ordinateur du poste 4")
    machine.looks_right()
    machine.presses("Se déconnecter")

    machine.signs_in()
    assert machine.path().startswith("/connexion/code")
    machine.looks_right()
    machine.presses("Utiliser ma clé d’accès")
    assert machine.path() == "/compte"


def test_a_key_whose_owner_is_not_verified_opens_nothing(machine: Machine):
    machine.house.employs("agent", login=LOGIN, password=PASSWORD)
    machine.signs_in()
    machine.presses("Créer une clé d’accès")
    machine.page.goto(f"{machine.url}/compte")
    machine.presses("Se déconnecter")

    machine.owner_is_verified(verified=False)
    machine.signs_in()
    machine.page.get_by_role("button", name="Utiliser ma clé d’accès").click()
    expect(machine.page.locator(".passkey [role=alert]")).to_have_text(
        "Aucune clé n’a été donnée. Réessayez, ou prenez un code."
    )
    machine.looks_right()
    machine.page.goto(f"{machine.url}/compte")
    assert machine.path().startswith("/connexion")


def test_at_an_address_of_numbers_the_page_says_where_keys_work(machine: Machine):
    who = machine.house.employs("agent", login=LOGIN, password=PASSWORD)
    has_code(machine.house, who.id)
    public, machine.url = machine.url, machine.url.replace("localhost", "127.0.0.1")
    machine.house.employs("agent", login="other", password=PASSWORD)
    machine.page.goto(f"{machine.url}/connexion")
    machine.page.fill("#login", "other")
    machine.page.fill("#password", PASSWORD)
    with machine.page.expect_navigation():
        machine.page.keyboard.press("Enter")
    expect(machine.page.locator("[data-elsewhere] a")).to_have_attribute(
        "href", f"{public}/connexion/inscription"
    )
    # The authenticator does as well.
    expect(machine.page.locator("figure svg")).to_be_visible()
    machine.looks_right()

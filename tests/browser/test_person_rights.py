"""A person's rights at the desk, in a real browser: by keyboard, and nothing stays behind."""

from __future__ import annotations

from typing import Any

import pytest

from playwright.sync_api import expect

from tests.browser.test_sign_in import LOGIN, PASSWORD, Desk, desk, looks_right
from tests.support.forms import code_of, has_code
from tests.support.house import MOBILE, mornings
from tests.support.leaks import leaks, ways_to_write

pytestmark = pytest.mark.browser
__all__ = ["desk"]

# All that a page of this origin can keep in a browser.
KEPT = """async () => JSON.stringify({
    local: {...localStorage}, session: {...sessionStorage}, cookies: document.cookie,
    databases: await indexedDB.databases(), caches: await caches.keys(),
    history: history.state, address: location.href,
})"""


def kept(one: Desk) -> list[str]:
    """What the browser keeps of the person when the page is left."""
    stored: Any = one.page.evaluate(KEPT)
    cookies = str(one.page.context.cookies())
    return leaks(f"{stored}{cookies}".encode(), [*ways_to_write(MOBILE), "12031942", "1942-03-12"])


def test_a_person_is_told_and_nothing_of_them_stays_in_the_browser(desk: Desk):
    desk.house.opens_centre("1", starts=mornings(20), capacity=2)
    agent = desk.house.employs("agent", login=LOGIN, password=PASSWORD)
    secret = has_code(desk.house, agent.id)
    desk.goes("/connexion?next=/poste/personne")
    desk.types(LOGIN, PASSWORD)
    desk.types(code_of(desk.house, secret))
    page = desk.page
    looks_right(desk)

    page.fill("#person-born", "12031942")
    page.fill("#person-number", "0612345678")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Rien n’est gardé")
    looks_right(desk)

    # The telephone signs for its own address.
    desk.house.settings = desk.house.settings.model_copy(
        update={"public_base_url": "https://allo.example"}
    )
    desk.house.phone().books().hangs_up()
    page.focus("#person-number")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Ce qui est gardé", exact=True)).to_be_visible()
    looks_right(desk)
    with page.expect_navigation():
        page.get_by_role("button", name="Voir et imprimer tout").press("Enter")
    expect(page.locator("main")).to_contain_text(MOBILE)
    looks_right(desk)

    desk.goes("/poste/personne")
    assert kept(desk) == []
    assert leaks(page.content().encode(), ways_to_write(MOBILE)) == []

"""The public pages in a real browser: read by anyone, small, alone, wide and narrow."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from playwright.sync_api import Browser, Page, expect

from tests.browser.public_stage import PAGES, Site, public_site
from tests.browser.stage import shelf
from tests.support.pages import fetched, hindrances

pytestmark = pytest.mark.browser

# On first load, with all that it brings along.
MOST_BYTES = 100_000
# What WCAG asks: 320 pixels (1.4.10), and letters of twice the size (1.4.4), here on a telephone.
NARROW, TELEPHONE = 320, 390
LARGE = "225%"


@pytest.fixture
def site(browser: Browser, database_url: str) -> Iterator[Site]:
    fetched()
    with public_site(database_url) as one:
        yield one


def sideways(page: Page) -> int:
    wide: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return wide


# All that there is in colours is on these.
COLOURFUL = ("home", "centre", "state")


def test_pages_hinder_nobody_and_bring_little(browser: Browser, site: Site):
    page = shelf.take(browser, for_one=True)
    # Each page is loaded with all that it needs, whatever the page before had.
    tools = page.context.new_cdp_session(page)
    tools.send("Network.enable")
    tools.send("Network.setCacheDisabled", {"cacheDisabled": True})
    asked: list[tuple[str, int]] = []
    troubles: list[str] = []
    page.on(
        "requestfinished",
        lambda request: asked.append((request.url, request.sizes()["responseBodySize"])),
    )
    page.on("console", lambda message: troubles.append(message.text))
    for name, path in PAGES.items():
        asked.clear()
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": NARROW, "height": 800})
        page.goto(f"{site.url}{path}")
        assert troubles == [], name
        assert hindrances(page) == [], name
        assert sideways(page) <= 0, name
        page.set_viewport_size({"width": TELEPHONE, "height": 800})
        has_good_letters(page, name)
        assert {url.split("/")[2] for url, _ in asked} == {site.url.split("/")[2]}, name
        assert sum(size for _, size in asked) < MOST_BYTES, name
        assert page.context.cookies() == [], name
        if name in COLOURFUL:
            page.set_viewport_size({"width": 1280, "height": 800})
            page.emulate_media(color_scheme="dark")
            assert hindrances(page) == [], f"{name} in the dark"
            assert sideways(page) <= 0, f"{name} wide"
            has_good_letters(page, f"{name} wide")
    shelf.give_back(page)


def has_good_letters(page: Page, name: str) -> None:
    """Check that none are small, and that twice their size pushes nothing out at the side."""
    page.evaluate(f"document.documentElement.style.fontSize = '{LARGE}'")
    assert sideways(page) <= 0, f"{name} enlarged"
    page.evaluate("document.documentElement.style.fontSize = ''")
    small: float = page.evaluate(
        "Math.min(...[...document.querySelectorAll('main *, .top *, .foot *')]"
        ".filter(one => one.innerText).map(one => parseFloat(getComputedStyle(one).fontSize)))"
    )
    assert small >= 16, name


def test_somebody_finds_a_centre_by_keyboard_alone_without_a_script(browser: Browser, site: Site):
    page = shelf.take(browser, width=390, script=False)
    page.goto(f"{site.url}/")
    # The first thing that the keyboard meets leads past the header.
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Aller au contenu")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Trouver un centre près de chez vous").focus()
    page.keyboard.press("Enter")
    field = page.get_by_label("Code postal ou commune")
    field.focus()
    page.keyboard.type("99999")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Nous ne connaissons pas")
    expect(field).to_have_value("99999")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(
        "Par exemple : 35000, ou Rennes Erreur : Nous ne connaissons pas « 99999 ». Vérifiez"
        " l’orthographe, ou écrivez le code postal (cinq chiffres)."
    )
    field.fill("75011")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Centres près de Paris 11e")
    assert "75011" not in page.url
    rows = page.get_by_role("row")
    expect(rows.nth(1)).to_contain_text("Salle Olympe de Gouges")
    expect(page.get_by_role("link", name="01 44 55 66 77").first).to_have_attribute(
        "href", "tel:+33144556677"
    )
    page.get_by_role("link", name="Salle Olympe de Gouges").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Salle Olympe de Gouges")
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("link", name="Book here")).to_be_visible()
    page.get_by_role("link", name="Service status").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Service status")
    assert page.context.cookies() == []
    shelf.give_back(page)

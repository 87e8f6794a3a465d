"""What a visitor with a browser meets when the store, the network or their own clock fails."""

from __future__ import annotations

import re

from collections.abc import Iterator

import pytest

from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.book_stage import Site, site

NUMBER = "tel:+33974750001"
# What a browser says of a network that breaks, and htmx of a form that got no answer.
BROKEN = re.compile(r"net::ERR_|htmx:(sendError|afterRequest)")


@pytest.fixture
def made(browser: Browser, database_url: str) -> Iterator[Site]:
    with site(database_url, browser) as one:
        yield one
        # A network that breaks is no trouble of a page.
        one.troubles = [line for line in one.troubles if not BROKEN.search(line)]


def held_back(page: Page, path: str) -> list[Route]:
    """Forms to a page stay under way until the test lets them go."""
    routes: list[Route] = []

    def keep(route: Route) -> None:
        if route.request.method == "POST":
            routes.append(route)
        else:
            route.continue_()

    page.route(f"**{path}", keep)
    return routes


def test_a_press_is_seen_at_once_and_whoever_waits_is_told(made: Site):
    person = made.visitor(width=390, for_one=True)
    page = person.page
    # A clock that is years ahead, and that the test moves on.
    page.clock.install(time="2031-07-01T12:00:00")
    person.starts()
    routes = held_back(page, "/rendez-vous/naissance")
    person.is_born()
    button = page.locator("main form button").first
    expect(button).to_be_disabled()
    status = page.locator("#busy[role=status]")
    expect(status).to_have_text("Un instant…")
    # A second press sends nothing.
    page.keyboard.press("Enter")
    page.clock.run_for(8000)
    expect(status).to_contain_text("C’est plus long que d’habitude")
    expect(status.locator("a")).to_have_attribute("href", NUMBER)
    expect(page.locator("#year")).to_have_value("1942")
    assert len(routes) == 1
    # Nothing comes at all: the network broke off.
    routes[0].abort()
    expect(status).to_contain_text("le réseau s’est coupé")
    expect(button).to_be_enabled()
    expect(page.locator("#year")).to_have_value("1942")
    page.unroute("**/rendez-vous/naissance")
    button.click()
    person.is_at("commune")
    expect(page.locator("#busy")).to_be_empty()
    # What is held is counted by the service's clock.
    person.lives().is_at("creneaux").takes().is_at("joindre").is_reached()
    expect(page.locator(".countdown .left")).to_contain_text("4 min")


def test_a_network_that_drops_every_third_request_books_once(made: Site):
    person = made.visitor()
    page = person.page
    seen = [0]
    dropped: list[str] = []

    def every_third(route: Route) -> None:
        request = route.request
        if request.method != "POST" or "/rendez-vous" not in request.url:
            route.continue_()
            return
        seen[0] += 1
        if seen[0] % 3:
            route.continue_()
            return
        dropped.append(request.url)
        if len(dropped) % 2:
            # It arrived, and its answer is lost.
            route.fetch(max_redirects=0)
        route.abort()

    person.starts()
    page.route("**/*", every_third)
    script = page.locator("#busy")

    def sends(act: str, slug: str) -> None:
        """Press, and press again where no answer came."""
        for _ in range(3):
            page.click(act)
            page.wait_for_function(
                "slug => location.pathname.endsWith(slug)"
                " || document.getElementById('busy').textContent.includes('coupé')",
                arg=slug,
            )
            if page.url.split("?")[0].endswith(slug):
                return
        raise AssertionError(f"{slug} is not reached: {script.inner_text()}")

    for name, text in (("day", "12"), ("month", "3"), ("year", "1942")):
        page.fill(f"#{name}", text)
    sends("main form button", "commune")
    page.fill("#where", "75011")
    sends("main form button", "creneaux")
    sends(".offers button >> nth=0", "joindre")
    page.fill("#number", "0612345678")
    sends("button[value=number]", "confirmer")
    sends("button.confirm", "fait")
    assert len(dropped) == 2
    expect(page.locator(".reference")).to_have_count(1)
    assert len({row.reference for row in made.house.bookings()}) == 1
    assert len(made.house.messages()) == 1

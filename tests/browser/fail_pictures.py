"""Pictures of what fails, for a visitor: `python -m tests.browser.fail_pictures [FOLDER]`.

The store is locked for fifty seconds under a press; then every page of an error, and what a browser
says by itself.
"""

from __future__ import annotations

import sys
import time

from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Page

from tests.browser.album import album, found_chromium
from tests.browser.book_stage import Person, Site, site
from tests.support.locks import locked
from web import alone

WIDTHS = (390, 1280)
# Since the press, in seconds; and how long the store is locked.
LOOKS = (1, 8, 60)
LOCKED = 50


def locked_for_a_while(made: Site, folder: Path) -> list[str]:
    """A picture at each of `LOOKS`, and the words of the page there (of the narrow one)."""
    people = [made.visitor(width=width) for width in WIDTHS]
    for person in people:
        person.comes_to_offers().takes().is_at("joindre")
        person.page.fill("#number", "0612345678")
    url = made.house.database.url.render_as_string(hide_password=False)
    seen: list[str] = []
    with ExitStack() as other:
        # Each request of a visitor reads whose visit it is.
        other.enter_context(locked(url, "visit"))
        began = time.monotonic()
        for person in people:
            # A click would wait for the page that follows.
            person.page.evaluate("document.querySelector('button[value=number]').click()")
        for seconds in LOOKS:
            if seconds > LOCKED:
                sleeps(people[0], began + LOCKED - time.monotonic())
                other.close()
            sleeps(people[0], began + seconds - time.monotonic())
            for person in people:
                if seconds > LOCKED:
                    person.page.click("main form button")
                    person.is_at("confirmer")
                picture(person.page, folder, f"locked-{seconds:02}s")
            seen.append(people[0].page.inner_text("body") + fields(people[0].page))
    return seen


def sleeps(person: Person, seconds: float) -> None:
    """The pages go on meanwhile."""
    person.page.wait_for_timeout(max(seconds, 0) * 1000)


def fields(page: Page) -> str:
    """What is typed, or kept in the page."""
    return str(page.evaluate("[...document.querySelectorAll('input')].map(i => i.value).join(' ')"))


def picture(page: Page, folder: Path, name: str) -> None:
    # What busy.js says stands at the lower edge of what is seen, and not of the page.
    whole = not page.query_selector(".busy:not(:empty)")
    width = page.viewport_size["width"] if page.viewport_size else 0
    page.screenshot(path=folder / f"fail-{name}-{width}.png", full_page=whole)


def take(made: Site, folder: Path) -> None:
    locked_for_a_while(made, folder)
    for width in WIDTHS:
        person = made.visitor(width=width)
        page = person.page
        for name, path in (("404", "/nulle-part"), ("404-staff", "/poste/nulle-part")):
            person.opens(path)
            picture(page, folder, name)
        person.opens("/rendez-vous/naissance")
        picture(page, folder, "gone")
        for name, method, body in (("405", "DELETE", ""), ("413", "POST", "x" * 70_000)):
            _put(page, made, name, method=method, body=body)
            picture(page, folder, name)
        _busy(person, folder)
        for status in (413, 502, 503):
            _show(page, made, f"alone-{status}", alone.page(status, "fr", "+33974750001").decode())
            picture(page, folder, f"alone-{status}")
        person = made.visitor(width=width)
        page = person.page
        person.opens("/connexion")
        page.context.clear_cookies()
        page.fill("#login", "camille")
        page.fill("#password", "une phrase de passe")
        page.click("main form button")
        picture(page, folder, "refused")


def _put(page: Page, made: Site, name: str, *, method: str, body: str = "") -> None:
    """Show the answer to a request that no page of ours makes."""
    answer = page.request.fetch(
        f"{made.url}/rendez-vous",
        method=method,
        data=body,
        headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"},
    )
    _show(page, made, name, answer.text(), dict(answer.headers))


def _show(
    page: Page, made: Site, name: str, text: str, headers: dict[str, str] | None = None
) -> None:
    """Show a page as its own server would give it, with the policy for its style."""
    given = headers or dict(alone.headers())
    page.route(f"**/{name}", lambda route: route.fulfill(body=text, headers=given))
    page.goto(f"{made.url}/{name}")


def _busy(person: Person, folder: Path) -> None:
    page = person.page
    page.clock.install()
    person.starts()
    page.route("**/rendez-vous/naissance", lambda route: None)
    person.is_born()
    picture(page, folder, "busy-now")
    page.clock.run_for(8000)
    picture(page, folder, "busy-slow")
    page.unroute("**/rendez-vous/naissance")
    page.evaluate("document.body.dispatchEvent(new Event('htmx:sendError', { bubbles: true }))")
    picture(page, folder, "busy-lost")


def main() -> None:
    with (
        album(sys.argv[1:]) as (folder, create),
        found_chromium() as browser,
        site(create(), browser) as made,
    ):
        take(made, folder)
        made.troubles.clear()


if __name__ == "__main__":
    main()

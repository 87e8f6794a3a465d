"""Every page in every state, as somebody meets it who sees, hears or moves otherwise.

The states are those of `make pictures` (tests/browser/gallery): what is added there is looked at
here.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from playwright.sync_api import Browser, Page

from prompts.screens import LANGUAGES
from tests.browser.gallery import checks, staff
from tests.browser.gallery.eye import Stage, goes_through
from tests.browser.gallery.stages import STAGES
from tests.browser.gallery.unseen import unseen
from tests.browser.public_stage import public_site
from tests.browser.stage import shelf
from tests.support.pages import fetched, violations

pytestmark = pytest.mark.browser

# All languages of which a page may be in another state's; the third has the same words' tests.
SPOKEN = [language for language in LANGUAGES if language != "es"]
RARE = Stage("staff", staff.begins, (staff.watched_names, staff.approvals))


class Looker:
    """Looks at each state by all checks, and writes down what it finds."""

    def __init__(self, language: str) -> None:
        self.language, self.found = language, list[str]()
        self.titles: dict[str, str] = {}

    def __call__(self, page: Page, name: str) -> None:
        lang = page.locator("html").get_attribute("lang")
        if lang != self.language:
            self.found.append(f"{name}: in {lang}, and not in {self.language}")
        self._titled(page, name)
        for check in (violations, checks.structure, checks.names, checks.forced):
            self._notes(name, check(page))
        if name not in checks.WIDE:
            self._notes(name, checks.narrow(page))
        # Colours that are on their way from one to the other are nobody's.
        page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        checks.settled(page)
        self._notes(f"{name} in the dark", violations(page))
        page.emulate_media(color_scheme="light")
        self._notes(name, checks.still(page))
        self._notes(name, checks.keyboard(page))

    def _titled(self, page: Page, name: str) -> None:
        """Pages at different addresses have different titles; one may be below the other."""
        path = page.url.split("/", 3)[-1].partition("?")[0]
        other = self.titles.setdefault(page.title(), path)
        if not (path.startswith(other) or other.startswith(path)):
            self.found.append(f"{name}: the title of /{other} at /{path}")

    def _notes(self, name: str, told: list[str]) -> None:
        self.found += [f"{name}: {one}" for one in told]


def found_in(browser: Browser, create: Callable[[], str], stage: Stage, language: str) -> list[str]:
    looker = Looker(language)
    gone = goes_through([stage], create, browser, looker, language)
    assert gone.failures == []
    assert gone.seen
    return looker.found


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("language", SPOKEN)
@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: f"{stage.name}-{len(stage.walks)}")
def test_no_page_stands_in_anybodys_way(
    browser: Browser, new_store: Callable[[], str], stage: Stage, language: str
):
    assert found_in(browser, new_store, stage, language) == []


def test_without_style_sheets_all_is_there(browser: Browser, database_url: str):
    """RGAA 10.2, 10.3: each word of a page is seen as well where no style sheet comes."""
    fetched()
    styled, plain = shelf.take(browser), shelf.take(browser)
    plain.route("**/*.css*", lambda route: route.abort())
    with public_site(database_url) as site:
        for path in ("/", "/accessibilite", "/rendez-vous", "/mon-rendez-vous", "/connexion"):
            told = []
            for page in (styled, plain):
                page.goto(f"{site.url}{path}")
                told.append(set(page.locator("body").inner_text().split()))
            assert told[0] - told[1] == set(), path
        shelf.give_back(styled)
        shelf.give_back(plain)


def test_pages_of_staff_that_are_rarely_seen(browser: Browser, new_store: Callable[[], str]):
    """The quick part of the whole: what a supervisor opens once a month, by every check."""
    assert found_in(browser, new_store, RARE, "fr") == []


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_every_page_is_in_some_state(browser: Browser, new_store: Callable[[], str]):
    gone = goes_through(STAGES, new_store, browser, lambda *_: None)
    assert gone.failures == []
    assert unseen(gone.templates) == set()

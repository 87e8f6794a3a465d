"""Every page in every state, as somebody meets it who sees, hears or moves otherwise.

The states are those of `make pictures` (tests/browser/gallery): what is added there is looked at here.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from playwright.sync_api import Browser, Page

from prompts.screens import LANGUAGES
from tests.browser.gallery import checks
from tests.browser.gallery.eye import Stage, goes_through
from tests.browser.gallery.stages import STAGES
from tests.browser.gallery.unseen import unseen
from tests.support.pages import violations

pytestmark = pytest.mark.browser

# All languages of which a page may be in another state's; the third has the same words' tests.
SPOKEN = [language for language in LANGUAGES if language != "es"]
# Papers and plans that are wider than a telephone by their nature; each scrolls by itself.
WIDE: frozenset[str] = frozenset()


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
        for check in (violations, checks.structure, checks.names, checks.narrow, checks.forced):
            self._notes(name, check(page))
        # Colours that are on their way from one to the other are nobody's.
        page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        page.evaluate("document.getAnimations().forEach(one => one.cancel())")
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


def found_in(browser: Browser, stage: Stage, language: str) -> list[str]:
    looker = Looker(language)
    gone = goes_through([stage], browser, looker, language)
    assert gone.failures == []
    assert gone.seen
    return looker.found


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("language", SPOKEN)
@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: f"{stage.name}-{len(stage.walks)}")
def test_no_page_stands_in_anybodys_way(browser: Browser, stage: Stage, language: str):
    assert found_in(browser, stage, language) == []


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_every_page_is_in_some_state(browser: Browser):
    gone = goes_through(STAGES, browser, lambda *_: None)
    assert gone.failures == []
    assert unseen(gone.templates) == set()

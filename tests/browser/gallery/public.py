"""The public pages that are the same for all visitors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser

from tests.browser.gallery.eye import Eye, Stage
from tests.browser.gallery.towns import NAMESAKES, knows_more_towns
from tests.browser.public_stage import PAGES, Site, public_site


@contextmanager
def begins(database_url: str, _: Browser) -> Iterator[Site]:
    with public_site(database_url) as site:
        knows_more_towns(site.house)
        yield site


def as_they_are(site: Site, eye: Eye) -> None:
    page = eye.opens(site.url)
    for name, path in PAGES.items():
        eye.goes(page, site.url, path)
        eye.sees(page, name)


def looking_for_a_centre(site: Site, eye: Eye) -> None:
    page = eye.opens(site.url, "/centres")
    for name, where in (("unknown-town", "99999"), ("which-town", NAMESAKES), ("near", "75011")):
        page.fill("#where", where)
        with page.expect_navigation():
            page.keyboard.press("Enter")
        eye.sees(page, name)


WALKS = (as_they_are, looking_for_a_centre)
STAGE = Stage("public", begins, WALKS)

"""A browser for each file, and a page of its own for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from playwright.sync_api import Browser, expect

from tests.browser.stage import PATIENCE_MS, Stage, Visitor, chromium, stage
from tests.support import pages, parts


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Not for the whole run: a test with a loop of its own cannot run beside that of a browser."""
    parts.require(parts.BROWSER)
    # A fresh copy has none of the files of others yet.
    pages.fetched()
    # Two processors may have much else to do.
    expect.set_options(timeout=PATIENCE_MS)
    with chromium() as started:
        yield started


@pytest.fixture
def staged(browser: Browser, database_url: str) -> Iterator[Stage]:
    with stage(database_url) as made:
        yield made


@pytest.fixture
def opens(browser: Browser) -> Iterator[Callable[..., Visitor]]:
    """`opens(url, width, script)`: somebody opens the telephone; no error of it is forgiven."""
    visitors = []

    def visit(url: str, width: int = 1280, script: str = "") -> Visitor:
        context = browser.new_context(viewport={"width": width, "height": 860})
        if script:
            context.add_init_script(script)
        visitors.append(Visitor(context.new_page(), url))
        return visitors[-1]

    yield visit
    for visitor in visitors:
        visitor.page.context.close()
    assert [trouble for visitor in visitors for trouble in visitor.troubles] == []


@pytest.fixture
def visits(staged: Stage, opens: Callable[..., Visitor]) -> Callable[..., Visitor]:
    """`opens`, at the telephone that rings the whole service; the pages close before it does."""
    return partial(opens, staged.url)

"""One browser for all files of this folder, and a page of its own for each test."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from playwright.sync_api import Browser, expect
from sqlalchemy import make_url

from tests.browser.stage import PATIENCE_MS, Stage, Visitor, chromium, shelf, stage
from tests.support import pages, parts
from tests.support.pgbouncer import through
from tests.support.postgres import PostgresServer, as_restricted

FOLDER = Path(__file__).parent


class KeptBrowser:
    """The browser of this process, from the first test of this folder to the last.

    It does not stay for the whole run: its event loop runs in this thread, and a test that starts
    a loop of its own cannot run beside it.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._browser: Browser | None = None

    def open(self) -> Browser:
        """Return the browser, and start it if it does not run."""
        if self._browser is not None and not self._browser.is_connected():
            self.close()
        if self._browser is None:
            self._browser = self._stack.enter_context(chromium())
        return self._browser

    def close(self) -> None:
        """End the browser if it runs."""
        self._browser = None
        self._stack.close()


_kept = KeptBrowser()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """Close the browser after the last test of this folder that this process runs in a row."""
    try:
        return (yield)
    finally:
        if nextitem is None or not nextitem.path.is_relative_to(FOLDER):
            _kept.close()


def pytest_sessionfinish() -> None:
    """Close the browser of a run that was stopped in this folder."""
    _kept.close()


@pytest.fixture(scope="module")
def browser() -> Browser:
    """The browser of this folder; contexts are each test's own."""
    parts.require(parts.BROWSER)
    # A fresh copy has none of the files of others yet.
    pages.fetched()
    # Two processors may have much else to do.
    expect.set_options(timeout=PATIENCE_MS)
    return _kept.open()


@pytest.fixture
def staged(browser: Browser, database_url: str) -> Iterator[Stage]:
    with stage(database_url) as made:
        yield made


@pytest.fixture
def opens(browser: Browser) -> Iterator[Callable[..., Visitor]]:
    """`opens(url, width, script, hasty=…)`: somebody opens the telephone; no error is forgiven."""
    visitors = []

    def visit(url: str, width: int = 1280, script: str = "", *, hasty: bool = False) -> Visitor:
        own = bool(script)
        page = shelf.take(browser, width=width, locale="en-US", for_one=own, hasty=hasty)
        if script:
            page.add_init_script(script)
        visitors.append(Visitor(page, url))
        return visitors[-1]

    yield visit
    for visitor in visitors:
        shelf.give_back(visitor.page)
    assert [trouble for visitor in visitors for trouble in visitor.troubles] == []


@pytest.fixture
def visits(staged: Stage, opens: Callable[..., Visitor]) -> Callable[..., Visitor]:
    """`opens`, at the telephone that rings the whole service; the pages close before it does."""
    return partial(opens, staged.url)


@pytest.fixture(scope="module")
def copy_store(
    request: pytest.FixtureRequest, postgres_server: PostgresServer
) -> Iterator[Callable[[str], str]]:
    """Each call gives the URL of a copy of a database that nobody is connected to.

    The copy's URL is that of `database_url`: with TEST_ROLE and TEST_PGBOUNCER a test comes to
    both in the same way.
    """
    copied = []

    def copy(url: str) -> str:
        made = postgres_server.create(template=make_url(url).database)
        copied.append(made)
        if parts.comes_restricted():
            made = as_restricted(made, f"{postgres_server.prefix}_restricted")
        if parts.comes_pooled():
            made = through(made, request.getfixturevalue("_pgbouncer"))
        return made

    yield copy
    for url in copied:
        postgres_server.drop(url)

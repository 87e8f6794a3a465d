"""The board of a busy day, the same on a wall, its list of acts, and a board with nothing on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page

from services.supervision import supervise
from tests.browser.board_stage import BoardStage, board_stage
from tests.browser.gallery.eye import Eye, Stage


@contextmanager
def begins(database_url: str, _: Browser) -> Iterator[BoardStage]:
    with board_stage(database_url) as staged:
        yield staged


@contextmanager
def begins_empty(database_url: str, _: Browser) -> Iterator[BoardStage]:
    with board_stage(database_url, filled=False) as staged:
        yield staged


def _opens(staged: BoardStage, eye: Eye, path: str = "/supervision") -> Page:
    client = staged.house.signs_in("supervisor", app=staged.app, name="Maxence Durand")
    kept = client.get_cookie(client.cookie)
    assert kept is not None
    return eye.opens(staged.url, path, cookie=kept.value)


def at_work(staged: BoardStage, eye: Eye) -> None:
    page = _opens(staged, eye)
    page.wait_for_selector("#chart-length canvas")
    eye.sees(page, "board")
    who = staged.house.employs("supervisor", name="Dominique Bernard")
    supervise.set_state(staged.house.store, who, ["fr"], "closed")
    eye.goes(page, staged.url, "/supervision/actes")
    eye.sees(page, "acts")


def overtaken(staged: BoardStage, eye: Eye) -> None:
    """An act is taken back that somebody else has overtaken."""
    who = staged.house.employs("supervisor", name="Dominique Bernard")
    store = staged.house.store
    supervise.set_state(store, who, ["fr"], "hours")
    supervise.set_state(store, who, ["fr"], "closed")
    page = _opens(staged, eye, "/supervision/actes")
    supervise.set_state(store, who, ["fr"], "open")
    with page.expect_navigation():
        page.locator("main form button").first.click()
    eye.sees(page, "refused")


def on_a_wall(staged: BoardStage, eye: Eye) -> None:
    page = _opens(staged, eye, "/supervision?mur=1")
    page.wait_for_selector("#chart-hour canvas")
    eye.sees(page, "wall")


def with_nothing_on_it(staged: BoardStage, eye: Eye) -> None:
    page = _opens(staged, eye)
    page.wait_for_selector("#board")
    eye.sees(page, "empty")


STAGE = Stage("board", begins, (at_work, on_a_wall, overtaken))
EMPTY = Stage("board", begins_empty, (with_nothing_on_it,))

"""What a supervisor sees while the store does not answer: real locks and real seconds.

Pictures of the board and of the wall, at 1, 8 and 60 seconds.
"""

from __future__ import annotations

import threading
import time

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Page
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from tests.browser.board_pictures import hangs
from tests.browser.board_stage import BoardStage, opens

LOOKED_AT = (1, 8, 60)
# All that a board is read from, and what says who looks at it.
_LOCKED = "LOCK TABLE snapshot, staff_session IN ACCESS EXCLUSIVE MODE"


@dataclass
class Seen:
    """What stood there at a second: banner, whether it says it is up to date, tiles' states."""

    second: int
    banner: str
    is_fresh: bool
    states: frozenset[str]
    acts: frozenset[str]


@dataclass
class Writing:
    """The process that writes the board each second, as long as the block lasts."""

    staged: BoardStage
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.over.wait(1):
            try:
                self.staged.passes()
            except SQLAlchemyError:
                # The store does not answer; the next second it is asked again.
                continue


@contextmanager
def written(staged: BoardStage) -> Iterator[None]:
    writing = Writing(staged)
    thread = threading.Thread(target=writing.run)
    thread.start()
    try:
        yield
    finally:
        writing.over.set()
        thread.join()


def locks(staged: BoardStage, seconds: float, locked: threading.Event) -> None:
    """Hold the store up for so long."""
    with staged.house.database.engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text(_LOCKED))
        locked.set()
        time.sleep(seconds)


def seen(page: Page, second: int) -> Seen:
    found = page.evaluate(
        "({banner: document.getElementById('stale').textContent,"
        " fresh: !document.getElementById('freshness').hidden,"
        " states: [...document.querySelectorAll('.figure')].map(one => one.dataset.state),"
        " acts: [...document.querySelectorAll('button[data-old]')].map(one => one.dataset.old)})"
    )
    return Seen(
        second,
        found["banner"],
        found["fresh"],
        frozenset(found["states"]),
        frozenset(found["acts"]),
    )


def watch(
    browser: Browser, staged: BoardStage, folder: Path, name: str, seconds: float
) -> list[Seen]:
    """Lock the store for so long; look, and take a picture, at each of the moments."""
    board, wall = opens(browser, staged, 1280), opens(browser, staged, 1920, "/supervision?mur=1")
    for page in (board, wall):
        page.wait_for_selector("#chart-hour canvas")
    hangs(wall)
    locked, found = threading.Event(), []
    with written(staged):
        board.wait_for_timeout(3000)
        locker = threading.Thread(target=locks, args=(staged, seconds, locked))
        locker.start()
        locked.wait(20)
        began = time.monotonic()
        for second in LOOKED_AT:
            board.wait_for_timeout(max(1000 * (began + second - time.monotonic()), 0))
            found.append(seen(board, second))
            board.screenshot(path=folder / f"{name}-{second}s.png")
            wall.screenshot(path=folder / f"{name}-wall-{second}s.png")
        locker.join()
    for page in (board, wall):
        page.context.close()
    return found

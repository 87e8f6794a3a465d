"""Draws docs/pictures/ways.svg, the files that four requests pass.

    python -m tests.docs.ways_picture

A file is passed when a function of it runs while the request is answered. Each way is gone twice
and the second time counts, so that what is only loaded or kept for later is not in it.
"""

from __future__ import annotations

import sys

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from html import escape
from pathlib import Path
from types import FrameType

from sqlalchemy import select

from models.booking.tables import booking as booking_table
from services.agents import take_over
from services.booking.change_booking import cancel
from services.booking.changed import By
from services.slots.allocate import Channel
from services.slots.give_back import UNDO_GRACE, UNDO_WITHIN
from services.waiting_list.freed_slot_offers import free_cancelled
from tests.online.visitors import Visitor
from tests.support.control import FakeControl
from tests.support.floor import Floor
from tests.support.house import House, house, mornings
from tests.support.keeper import ROOT
from tests.support.postgres import empty_stores
from tests.support.rows import clock_of, rows_of
from tests.waiting_list.test_waiting import joins

PICTURE = ROOT / "docs" / "pictures" / "ways.svg"
# Files passed by the same four ways at commit 8ac90afc, counted by this module.
BEFORE = {
    "a caller's key books": 47,
    "an agent takes a call over": 25,
    "a visitor confirms": 71,
    "a cancelled place reaches the waiting list": 36,
}
# Pixels: the names of ways, a file, and a line of the picture.
LEFT, FILE_WIDTH, ROW, BAR, HEAD = 320, 9, 44, 18, 40
COLOURS = {
    "ivr": "#3b6ea5",
    "web": "#7a9cc6",
    "flows": "#8a5a83",
    "prompts": "#b58db0",
    "services": "#4f8a5b",
    "models": "#c28f2c",
    "partners": "#9a9a9a",
    "app": "#444444",
}


def by_key(made: House) -> Callable[[], None]:
    phone = made.phone().goes_to("confirm")
    return lambda: _done(phone.answers("1").step != "confirm")


def by_take_over(made: House) -> Callable[[], None]:
    floor = Floor(made)
    phone, who = made.phone().goes_to("date_of_birth"), floor.agent()
    take = take_over.take_over
    return lambda: _done(take(made.store, FakeControl(), who, phone.sid, any_call=True).done)


def by_web(made: House) -> Callable[[], None]:
    visitor = Visitor(made).comes_to("confirmer")
    return lambda: _done("C’est confirmé" in visitor.presses("/rendez-vous/confirmer").page)


def by_cancelling(made: House) -> Callable[[], None]:
    made.phone().books()
    ((booking,),) = rows_of(made.database, select(booking_table.c.id))
    joins(made, 1)
    clock = clock_of(made)

    def cancels() -> None:
        with made.database.transaction() as connection:
            cancel(connection, made.store, booking, by=By("caller", Channel.PHONE))
        clock.advance(UNDO_WITHIN + UNDO_GRACE)
        _done(free_cancelled(made.store) == 1)

    return cancels


WAYS = dict(zip(BEFORE, (by_key, by_take_over, by_web, by_cancelling), strict=True))


def _done(is_done: bool) -> None:  # noqa: FBT001 (what came of a way)
    if not is_done:
        raise RuntimeError("a way did not lead where it should")


@contextmanager
def passed() -> Iterator[set[str]]:
    """The files of the product whose functions run meanwhile in this thread, from the root."""
    files: set[str] = set()

    def note(frame: FrameType, event: str, _given: object) -> None:
        if event == "call":
            files.add(frame.f_code.co_filename)

    sys.setprofile(note)
    try:
        yield files
    finally:
        sys.setprofile(None)
        ours = {
            str(Path(name).relative_to(ROOT))
            for name in files
            if Path(name).is_relative_to(ROOT) and Path(name).exists()
        }
        files.clear()
        files.update(name for name in ours if name.split("/")[0] in COLOURS)


def measured(url: Callable[[], str]) -> dict[str, Counter[str]]:
    """How many files each way passes, by top folder; `url` is an empty store's, anew each time."""
    found = {}
    for name, way in WAYS.items():
        files: set[str] = set()
        for _ in range(2):
            with house(url()) as made:
                made.opens_centre("1", starts=mornings(20), capacity=2)
                go = way(made)
                with passed() as files:
                    go()
        found[name] = Counter(file.split("/")[0] for file in files)
    return found


def drawing(ways: Mapping[str, Counter[str]]) -> str:
    """The picture, as SVG: a bar of files by folder for each way, and what it was before."""
    height = HEAD + len(ways) * ROW + 30
    width = LEFT + FILE_WIDTH * max(*BEFORE.values(), *(sum(way.values()) for way in ways.values()))
    drawn = [_way(number, name, way) for number, (name, way) in enumerate(ways.items())]
    keys = [
        f'<rect x="{LEFT + 78 * number}" y="12" width="12" height="12" fill="{colour}"/>'
        f'<text x="{LEFT + 78 * number + 16}" y="22">{folder}</text>'
        for number, (folder, colour) in enumerate(COLOURS.items())
        if any(way[folder] for way in ways.values())
    ]
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width + 160} {height}"'
                ' font-family="DejaVu Sans, Helvetica, Arial, sans-serif" font-size="12">'
            ),
            "<title>Files that four requests pass</title>",
            f'<rect width="{width + 160}" height="{height}" fill="#ffffff"/>',
            *keys,
            *drawn,
            "</svg>\n",
        ]
    )


def _way(number: int, name: str, way: Counter[str]) -> str:
    top, at = HEAD + number * ROW, LEFT
    parts = [f'<text x="{LEFT - 10}" y="{top + 14}" text-anchor="end">{escape(name)}</text>']
    for folder, colour in COLOURS.items():
        wide = way[folder] * FILE_WIDTH
        parts.append(f'<rect x="{at}" y="{top}" width="{wide}" height="{BAR}" fill="{colour}"/>')
        at += wide
    before = LEFT + BEFORE[name] * FILE_WIDTH
    told = f"{sum(way.values())} files (before: {BEFORE[name]})"
    parts += [
        f'<path d="M{before} {top - 4}V{top + BAR + 4}" stroke="#b3261e" stroke-width="2"/>',
        f'<text x="{max(at, before) + 8}" y="{top + 14}">{told}</text>',
    ]
    return "\n".join(parts)


def main() -> None:
    with empty_stores() as url:
        ways = measured(url)
    PICTURE.write_text(drawing(ways), "utf-8")


if __name__ == "__main__":
    main()

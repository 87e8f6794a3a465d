"""Pictures of an agent's desk in its rarer states.

`python -m tests.browser.desk_state_pictures [FOLDER [STATE …]]`, by the names of its functions.

On hold and muted, asked before hanging up, a call back, an interpreter, a conversation by text,
cases and a person's rights, a session that is over, and a store on which somebody else has a lock
for a minute: what stands there after 1, 8 and 60 seconds. It takes some minutes, for that minute
passes.
"""

from __future__ import annotations

import sys
import time

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from models.agents import agents
from models.queue import queues
from tests.browser.album import album, found_chromium
from tests.browser.desk_stage import (
    AtDesk,
    DeskStage,
    desk_stage,
    gives_up_at_the_offers,
    reaches_nobody,
)
from tests.browser.stage import served
from tests.browser.test_desk_hands import asks_for_a_person, rings_for
from tests.browser.test_desk_locked import SESSIONS
from tests.desk.test_desk import Desk
from tests.messages.test_by_text import Talker, open_for_texts
from tests.support.house import house
from tests.support.locks import locked

WIDTHS = (390, 1280)
# Seconds after the store was locked, and how long it stays so.
MOMENTS = (1, 8, 60)
LOCKED = 62


def shot(page: Page, folder: Path, name: str, width: int) -> None:
    page.screenshot(path=folder / f"desk-{name}-{width}.png", full_page=True)


def leaves(desk: AtDesk) -> None:
    desk.page.context.close()


def in_hand(staged: DeskStage, folder: Path, width: int) -> None:
    """On hold, muted, keypad open; then what is asked before the end."""
    desk = staged.sits_down(width=width)
    desk.ready()
    gives_up_at_the_offers(staged.rings())
    desk.answers()
    expect(desk.page.locator(".offers .offer")).to_have_count(3)
    desk.presses("Alt+g")
    expect(desk.page.locator("#held")).to_be_visible()
    desk.presses("Alt+m")
    expect(desk.page.locator("#muted")).to_be_visible()
    desk.presses("Alt+u")
    shot(desk.page, folder, "held", width)
    desk.presses("Alt+g")
    desk.presses("Alt+x")
    expect(desk.page.locator("#hang-up-sure")).to_be_focused()
    shot(desk.page, folder, "hang-up", width)
    desk.presses("Enter")
    desk.is_("wrapup")
    leaves(desk)


def first_field(staged: DeskStage, folder: Path, width: int) -> None:
    """A caller who gave nothing: the keyboard in the first field, and what lacks."""
    desk = staged.sits_down(width=width)
    desk.ready()
    asks_for_a_person(staged.rings())
    desk.answers()
    expect(desk.page.locator("#born1")).to_be_focused()
    shot(desk.page, folder, "first-field", width)
    leaves(desk)


def call_back(staged: DeskStage, folder: Path, width: int) -> None:
    desk = staged.sits_down(width=width)
    desk.ready()
    visitor, _entry = rings_for(staged)
    expect(desk.page.locator("#answer")).to_be_focused()
    shot(desk.page, folder, "call-back", width)
    desk.presses("Enter")
    visitor.page.click("#take")
    visitor.turn = 0
    visitor.question()
    visitor.presses("1")
    desk.is_("talking")
    expect(desk.page.locator("#born1")).to_be_focused()
    shot(desk.page, folder, "call-back-talking", width)
    desk.hangs_up()
    desk.is_("wrapup")
    shot(desk.page, folder, "call-back-wrapup", width)
    leaves(desk)


def interpreter(staged: DeskStage, folder: Path, width: int) -> None:
    """A caller who asked for an interpreter."""
    desk = staged.sits_down(width=width)
    desk.ready()
    visitor = staged.rings()
    visitor.calls()
    for key in ("6", "3"):
        visitor.question()
        visitor.presses(key)
    desk.answers()
    expect(desk.page.locator("#file")).to_contain_text("Interprète")
    shot(desk.page, folder, "interpreter", width)
    leaves(desk)


def case_and_rights(staged: DeskStage, folder: Path, width: int) -> None:
    desk = staged.sits_down(width=width)
    page = desk.page
    page.goto(f"{staged.url}/poste/cas")
    shot(page, folder, "cases", width)
    page.locator("#cases .cases button").first.click()
    expect(page.locator("#case-title")).to_be_visible()
    shot(page, folder, "case-open", width)
    page.goto(f"{staged.url}/poste/personne")
    shot(page, folder, "person", width)
    page.fill('[name="born"]', "12031942")
    page.fill('[name="number"]', "0698765432")
    page.locator("main form button[type=submit], main form button:not([type])").first.click()
    page.wait_for_load_state()
    shot(page, folder, "person-found", width)
    leaves(desk)


def signed_out(staged: DeskStage, folder: Path, width: int) -> None:
    desk = staged.sits_down(width=width)
    desk.ready()
    desk.page.context.clear_cookies()
    expect(desk.page.locator("#signed-out")).to_be_visible()
    shot(desk.page, folder, "signed-out", width)
    leaves(desk)


def with_lock(staged: DeskStage, folder: Path, width: int) -> None:
    """An agent talks and presses Enter, and the store is locked under them."""
    desk = staged.sits_down(width=width)
    page = desk.page
    desk.ready()
    gives_up_at_the_offers(staged.rings())
    desk.answers()
    expect(page.locator(".offers .offer")).to_have_count(3)
    page.fill("#name1", "Odette Martin")
    with locked(staged.house.database.url.render_as_string(hide_password=False), SESSIONS):
        began = time.monotonic()
        page.keyboard.press("Enter")
        for moment in MOMENTS:
            page.wait_for_timeout(max(0.0, moment + 0.4 - (time.monotonic() - began)) * 1000)
            if moment == MOMENTS[1]:
                page.keyboard.press("Alt+m")
            shot(page, folder, f"locked-{moment}s", width)
        page.wait_for_timeout(max(0.0, LOCKED - (time.monotonic() - began)) * 1000)
    expect(page.locator("#trouble")).to_be_hidden(timeout=60_000)
    assert page.locator("#name1").input_value() == "Odette Martin"
    shot(page, folder, "unlocked", width)
    leaves(desk)


def texts(browser: Browser, url: str, folder: Path) -> None:
    """A call back of somebody who booked by texts as far as the offers, and asked for a person."""
    with house(url) as made:
        writer = Talker(open_for_texts(made), made.app)
        writer.asks("RDV", "1", "12/03/1942", "1", "75011", "0")
        writer.asks("1")
        (kept,) = made.promises()
        # A browser keeps no cookie of https on this machine's own address.
        made.settings.public_base_url = "http://127.0.0.1"
        desk = Desk(made)
        clock = made.store.clock
        with made.database.transaction() as connection:
            theirs = {"staff_id": desk.staff.id, "answered_at": clock.at(), "conference_sid": "CF1"}
            queues.move(connection, clock, kept.id, ("waiting",), "talking", **theirs)
            agents.begin(connection, clock, desk.staff.id)
            agents.move(connection, clock, desk.staff.id, ("offline",), "talking", entry_id=kept.id)
        with served(desk.app) as base:
            kept_cookie = desk.client.get_cookie(desk.client.cookie)
            assert kept_cookie is not None
            for width in WIDTHS:
                context = browser.new_context(
                    viewport={"width": width, "height": 900}, locale="fr-FR"
                )
                context.add_cookies([{"name": "allo", "value": kept_cookie.value, "url": base}])
                page = context.new_page()
                page.goto(f"{base}/poste")
                shot(page, folder, "texts", width)
                context.close()


def main() -> None:
    wanted = set(sys.argv[2:])
    with album(sys.argv[1:2]) as (folder, create), found_chromium() as browser:

        def each(take: Callable[[DeskStage, Path, int], None]) -> None:
            if wanted and take.__name__ not in wanted:
                return
            for width in WIDTHS:
                with desk_stage(browser, create()) as staged:
                    take(staged, folder, width)

        for take in (first_field, in_hand, call_back, interpreter, signed_out):
            each(take)

        def with_case(staged: DeskStage, folder: Path, width: int) -> None:
            reaches_nobody(staged.house, "+33698765432")
            case_and_rights(staged, folder, width)

        each(with_case)
        each(with_lock)
        if not wanted or "texts" in wanted:
            texts(browser, create(), folder)


if __name__ == "__main__":
    main()

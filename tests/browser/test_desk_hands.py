"""What an agent's hands do at the desk, in a real browser: where the keyboard stands, how many keys
it takes, and what goes on when the service does not answer or the session is over.
"""

from __future__ import annotations

import re

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from playwright.sync_api import Error, Page, Route, expect
from sqlalchemy import select

from exchange.numbers import to_e164
from models.queue import callbacks
from models.queue.tables import queue_entry
from services.queue.promise_callback import promise
from tests.browser.desk_stage import (
    WITH_PERSON,
    AtDesk,
    DeskStage,
    desk,
    gives_up_at_the_offers,
    goes_to_the_date,
    spoken,
    staged,
    state_of,
)
from tests.browser.stage import Visitor
from tests.support.pages import hindrances
from tests.support.rows import rows_of

__all__ = ["desk", "staged"]

pytestmark = pytest.mark.browser

MOST_ACTIONS = 10


@dataclass
class Counted:
    """The agent's keyboard. An action is a key, or what is typed into one field."""

    page: Page
    actions: int = 0
    keys: int = 0

    def presses(self, *names: str) -> None:
        for name in names:
            self.page.keyboard.press(name)
            self.actions += 1
            self.keys += 1

    def types(self, text: str) -> None:
        self.page.keyboard.type(text)
        self.actions += 1
        self.keys += len(text)


def asks_for_a_person(visitor: Visitor) -> None:
    """A caller who gave nothing so far."""
    visitor.calls()
    visitor.question()
    visitor.presses("0")


def rings_for(staged: DeskStage) -> tuple[Visitor, str]:
    """Somebody who was promised a call, at their telephone; the entry is due."""
    visitor = staged.rings()
    with visitor.page.expect_response("**/telephone/rung?*"):
        number = to_e164(visitor.page.evaluate("caller()"))
    assert number
    store = staged.house.store
    with store.database.transaction() as connection:
        kept = promise(connection, store, number, None, {"reason": "postcode"})
        assert kept.entry_id
        clock = store.clock
        callbacks.change(connection, clock, kept.entry_id, ("waiting",), due_at=clock.at())
    return visitor, kept.entry_id


def entry(staged: DeskStage, entry_id: str) -> Any:
    statement = select(queue_entry).where(queue_entry.c.id == entry_id)
    (row,) = rows_of(staged.house.database, statement)
    return row


def is_muted(staged: DeskStage) -> list[bool]:
    """Of everybody in the conversation, at the provider."""
    switchboard = staged.simulator.switchboard
    return sorted(
        one["muted"]
        for found in switchboard.conferences()
        for _, one in switchboard.participants(found)
    )


# ---------------------------------------------------------------- from hello to booked


def test_a_caller_who_gave_nothing_is_booked_within_ten_key_actions(
    staged: DeskStage, desk: AtDesk
):
    page = desk.page
    desk.ready()
    asks_for_a_person(staged.rings())
    expect(page.locator("#answer")).to_be_focused()
    # Who calls was said before the keyboard went anywhere.
    expect(page.locator("#who")).to_have_text(re.compile("^Appel entrant.*06 .*portable"))
    expect(page.locator(".greeting")).to_contain_text("Bonjour, Allô Rendez-vous.")
    expect(page.locator(".greeting")).to_contain_text("Quelle est la date de naissance ?")
    hands, lacks = Counted(page), page.locator("#missing")
    hands.presses("Enter")
    desk.is_("talking")
    expect(page.locator("#born1")).to_be_focused()
    expect(lacks).to_have_text("Il manque la date de naissance, la commune, le choix du créneau.")
    hands.types("12031942")
    # Without a reload, and without sending anything.
    expect(lacks).to_have_text("Il manque la commune, le choix du créneau.")
    hands.presses("Enter")
    # What is empty is no mistake: the keyboard is there, and nothing is red.
    expect(page.locator("#place")).to_be_focused()
    expect(page.locator("#wrong")).to_have_count(0)
    hands.types("75011")
    expect(lacks).to_have_text("Il manque le choix du créneau.")
    hands.presses("Enter")
    expect(page.locator(".offers")).to_be_focused()
    hands.presses("1")
    expect(page.locator(".read-back")).to_be_focused()
    expect(lacks).to_have_text("Rien ne manque : confirmez.")
    hands.presses("Tab", "Enter")
    expect(page.locator("#booking .done .card")).to_have_count(1)
    assert (hands.actions, hands.keys) == (8, 19)
    assert hands.actions <= MOST_ACTIONS
    assert hindrances(page) == []
    # Asked once, whatever is pressed; then what it was is evident, and one key ends it.
    hands.presses("Alt+x", "Alt+x")
    expect(page.locator("#hang-up-sure")).to_be_focused()
    expect(page.locator("#hang-up-ask")).to_have_count(1)
    desk.is_("talking")
    hands.presses("Escape")
    expect(page.locator("#hang-up-ask")).to_be_hidden()
    hands.presses("Alt+x", "Enter")
    expect(page.locator("#finish")).to_be_focused()
    expect(page.locator("#code")).to_have_value("booked")
    hands.presses("Enter")
    desk.is_("ready")
    (booking,) = staged.house.bookings()
    assert booking.channel == "agent"


@pytest.mark.long
def test_a_caller_who_struggles_is_taken_over_and_booked_by_the_keyboard(
    staged: DeskStage, desk: AtDesk
):
    page = desk.page
    desk.ready()
    caller = staged.rings()
    goes_to_the_date(caller)
    for _ in range(2):
        caller.presses("99999999")
        caller.question()
    expect(page.locator("#strugglers li")).to_have_count(1)
    hands = Counted(page)
    hands.presses("Alt+k", "Enter")
    expect(page.locator("#answer")).to_be_focused()
    hands.presses("Enter")
    expect(page.locator("#born1")).to_be_focused()
    hands.types("12031942")
    hands.presses("Enter")
    expect(page.locator("#place")).to_be_focused()
    hands.types("75011")
    hands.presses("Enter")
    expect(page.locator(".offers")).to_be_focused()
    hands.presses("1")
    expect(page.locator(".read-back")).to_be_focused()
    hands.presses("Tab", "Enter")
    expect(page.locator("#booking .done .card")).to_have_count(1)
    assert hands.actions == MOST_ACTIONS


@pytest.mark.long
@pytest.mark.parametrize("settles", [0, 600])
def test_what_was_asked_for_before_the_agent_sent_a_form_takes_nothing_away(
    staged: DeskStage,
    desk: AtDesk,
    settles: int,
):
    """The panel as it was when the call was taken comes late: amid the answer, or after it."""
    page, late = desk.page, list[Route]()

    def keeps(route: Route) -> None:
        late.append(route)

    page.route("**/poste/travail?part=booking", keeps)
    desk.ready()
    asks_for_a_person(staged.rings())
    desk.answers()
    expect(page.locator("#born1")).to_be_visible()
    while not late:
        page.wait_for_timeout(20)
    old = [one.fetch() for one in late]
    page.evaluate("(settles) => { htmx.config.defaultSettleDelay = settles; }", settles)
    page.locator("#born1").focus()
    page.keyboard.type("12031942")
    with page.expect_response("**/poste/offres"):
        page.keyboard.press("Enter")
    if not settles:
        expect(page.locator("#place")).to_be_focused()
    for route, response in zip(late, old, strict=True):
        route.fulfill(response=response)
    page.unroute("**/poste/travail?part=booking")
    expect(page.locator("#place")).to_be_focused()
    expect(page.locator("#born1")).to_have_value("12031942")
    expect(page.locator("#missing")).to_have_text("Il manque la commune, le choix du créneau.")
    assert page.locator("#booking [data-first]").get_attribute("id") == "place"


# ---------------------------------------------------------------- hold, microphone, keys


def test_hold_and_microphone_are_true_in_every_page_and_keys_go_down_the_line(
    staged: DeskStage, desk: AtDesk
):
    page = desk.page
    desk.talks()
    # The clock of this browser is wrong: the house's stands at another day.
    desk.presses("Alt+g")
    chip = page.locator("#state #held")
    expect(chip).to_have_text(re.compile(r"^En attente \d s$"))
    first = chip.inner_text()
    expect(chip).not_to_have_text(first)
    expect(chip).to_have_text(re.compile(r"^En attente \d s$"))
    with page.expect_response("**/poste/micro"):
        desk.presses("Alt+m")
    expect(page.locator("#muted")).to_be_visible()
    assert is_muted(staged) == [False, True]
    second = page.context.new_page()
    # A second page has no telephone of its own here: the first one's would be taken away.
    second.route("**/device.js", lambda route: route.abort())
    second.goto(f"{staged.url}/poste")
    expect(second.locator("#muted")).to_be_visible()
    expect(second.locator("#held")).to_have_text(re.compile(r"^En attente \d+ s$"))
    second.keyboard.press("Alt+m")
    expect(second.locator("#muted")).to_have_count(0)
    expect(page.locator("#muted")).to_have_count(0)
    assert is_muted(staged) == [False, False]
    second.close()
    desk.presses("Alt+g")
    expect(chip).to_have_count(0)
    desk.presses("Alt+u")
    expect(page.locator("#keypad-keys")).to_be_focused()
    page.keyboard.type("14#")
    with page.expect_response("**/press") as pressed:
        desk.presses("Enter")
    assert pressed.value.ok
    assert pressed.value.request.post_data_json == {"keys": "14#"}
    expect(page.locator("#told")).to_have_text("Touches envoyées : 14#")
    assert hindrances(page) == []


@pytest.mark.long
def test_an_agent_at_a_telephone_is_muted_too_and_told_where_keys_are(
    staged: DeskStage, desk: AtDesk
):
    page = desk.page
    telephone = desk.has_a_telephone()
    desk.ready()
    gives_up_at_the_offers(staged.rings())
    expect(page.locator("#ring-how")).to_contain_text("tapez 1")
    desk.takes_up(telephone)
    desk.presses("Alt+m")
    expect(page.locator("#muted")).to_be_visible()
    assert is_muted(staged) == [False, True]
    desk.reopens()
    expect(desk.page.locator("#muted")).to_be_visible()
    desk.presses("Alt+u")
    expect(desk.page.locator("#keypad")).to_contain_text("tapez sur ses propres touches")


# ---------------------------------------------------------------- calls back


@pytest.mark.long
@pytest.mark.parametrize("picks_up", [True, False])
def test_a_call_back_says_so_and_leaves_with_its_outcome(
    staged: DeskStage,
    desk: AtDesk,
    picks_up: bool,  # noqa: FBT001
):
    page = desk.page
    desk.ready()
    visitor, entry_id = rings_for(staged)
    hands = Counted(page)
    expect(page.locator("#answer")).to_be_focused()
    expect(page.locator("#state")).to_contain_text("Rappel à faire")
    expect(page.locator("#ring")).to_contain_text("Rappel à faire")
    assert page.title() == "● Rappel à faire"
    expect(page.locator("#answer")).to_contain_text("Appeler cette personne")
    hands.presses("Enter")
    expect(visitor.page.locator("#take")).to_be_visible()
    if picks_up:
        desk.takes_up(visitor)
        expect(page.locator("#born1")).to_be_focused()
    else:
        expect(page.locator("#outcomes button").first).to_contain_text("Pas de réponse")
    assert hindrances(page) == []
    hands.presses("Alt+o", "Enter")
    desk.is_("ready")
    expect(page.locator("#file")).to_have_count(0)
    assert hands.actions == 3
    kept = entry(staged, entry_id)
    if picks_up:
        assert (kept.state, kept.wrapup_code) == ("done", "reached")
    else:
        assert (kept.state, kept.tries) == ("waiting", 1)


# ---------------------------------------------------------------- when the service is away


@pytest.mark.long
def test_a_service_that_does_not_answer_is_said_and_takes_nothing_away(
    staged: DeskStage, desk: AtDesk
):
    page = desk.page
    desk.ready()
    caller = staged.rings()
    asks_for_a_person(caller)
    desk.answers()
    state_of(caller.page, WITH_PERSON)
    page.fill("#name1", "Odette Martin")
    kept: list[Route] = []
    # It takes every question and answers none, as with a store that is locked.

    def keeps(route: Route) -> None:
        kept.append(route)

    page.route(f"{staged.url}/poste/**", keeps)
    page.keyboard.press("Enter")
    trouble = page.locator("#trouble")
    expect(trouble).to_have_text("Le service met du temps à répondre. Rien n’est perdu.")
    expect(trouble).to_contain_text("ne répond pas depuis 8 s")
    expect(trouble).to_contain_text("Le micro et les touches marchent encore d’ici.")
    expect(page.locator("#name1")).to_have_value("Odette Martin")
    # The microphone does not need the store.
    desk.presses("Alt+m")
    expect(page.locator("#muted")).to_be_visible()
    assert staged.simulator.switchboard.devices._devices[desk.staff.id].muted
    page.unroute(f"{staged.url}/poste/**")
    # What was wished meanwhile is wished of the service now.
    with page.expect_response("**/poste/micro"):
        for one in kept:
            # Some the page has given up by itself.
            with suppress(Error):
                one.abort()
    expect(trouble).to_be_hidden()
    expect(page.locator("#name1")).to_have_value("Odette Martin")
    expect(page.locator("#muted")).to_be_visible()
    assert is_muted(staged) == [False, True]
    desk.troubles.clear()


@pytest.mark.parametrize(
    ("status", "said"),
    [(503, "Pas de réponse du service à cette action."), (500, "Le service a eu une erreur.")],
)
def test_a_service_that_is_busy_is_not_one_that_failed(desk: AtDesk, status: int, said: str):
    page, trouble = desk.page, desk.page.locator("#trouble")
    answers = re.compile(r"/poste/(pret|chercher)$")
    page.route(answers, lambda route: route.fulfill(status=status))
    # A page that stands may send one more request past a route that was made a moment ago.
    page.reload()
    desk.presses("Alt+p")
    expect(trouble).to_contain_text(said)
    page.reload()
    expect(trouble).to_be_hidden()
    page.fill("#search-reference", "12345678")
    page.keyboard.press("Enter")
    expect(trouble).to_contain_text(said)
    expect(page.locator("#search-reference")).to_have_value("12345678")
    page.unroute(answers)
    desk.ready()
    expect(trouble).to_be_hidden()
    desk.troubles.clear()


@pytest.mark.long
def test_whoever_signs_in_again_finds_what_was_typed_and_nobody_else_does(
    staged: DeskStage, desk: AtDesk
):
    page = desk.page
    desk.ready()
    gives_up_at_the_offers(staged.rings())
    desk.answers()
    desk.presses("Alt+z")
    page.fill("#search-name", "Odette Mar")
    context = page.context
    cookies = context.cookies()
    context.clear_cookies()
    expect(page.locator("#signed-out")).to_be_visible()
    expect(page.locator("#sign-in-again")).to_be_focused()
    # Nothing of the caller stands on a page whose session is over.
    expect(page.locator("#work")).not_to_contain_text("12 mars 1942")
    assert hindrances(page) == []
    context.add_cookies(cookies)  # type: ignore[arg-type]
    expect(page.locator("#signed-out")).to_be_hidden()
    expect(page.locator("#search-name")).to_have_value("Odette Mar")
    expect(page.locator("#file")).to_contain_text("12 mars 1942")
    assert "de nouveau connecté" in spoken(page)
    assert all("401" in trouble for trouble in desk.troubles)
    desk.troubles.clear()

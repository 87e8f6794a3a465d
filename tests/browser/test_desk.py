"""An agent at the desk, in a real browser with the real service: calls come, people are booked.

The agent uses the keyboard alone. What callers do, they do at the telephone of the simulator.
"""

from __future__ import annotations

import queue

from typing import Any

import pytest

from playwright.sync_api import Browser, Page, expect

from exchange.clock import WallClock
from exchange.orders import Ring
from exchange.remote import RemoteSwitchboard
from exchange.settings import Settings
from exchange.transport import HttpTransport
from services.accounts.staff import read_acts
from services.centres.directory import Directory
from services.delivery import make_delivery_dependencies
from services.messages.deliver_message import deliver_message
from services.service import Service
from tests.browser.desk_stage import (
    WITH_PERSON,
    AtDesk,
    DeskStage,
    desk,
    gives_up_at_the_offers,
    reaches_nobody,
    staged,
    state_of,
)
from tests.browser.stage import PATIENCE_MS, shelf
from tests.support.house import ACCOUNT, TOKEN
from tests.support.pages import hindrances

__all__ = ["desk", "staged"]

pytestmark = pytest.mark.browser


def sees_the_file(page: Page) -> None:
    """Before "bonjour": who rings, what was typed, where it stopped, what is held."""
    expect(page.locator("#answer")).to_be_focused()
    file = page.locator("#file")
    for shown in ("12 mars 1942", "75011 Paris 11e", "Choix du créneau", "gardé jusqu’à"):
        expect(file).to_contain_text(shown)
    expect(file.locator(".heard")).to_contain_text("12/03/1942")
    expect(page.locator("#born1")).to_have_value("12/03/1942")


def books_both(desk: AtDesk) -> None:
    """A second person is added, and both are booked."""
    page = desk.page
    # The places that the caller heard are the desk's now; the agent goes on with one of them.
    expect(page.locator(".offers .offer")).to_have_count(3)
    expect(page.locator(".offers")).to_contain_text("déjà entendu")
    assert hindrances(page) == []
    desk.presses("Alt+n")
    expect(page.locator("#born1")).to_be_focused()
    desk.presses("Shift+Tab")
    desk.presses("ArrowDown")
    expect(page.locator("#born2")).to_be_visible()
    for _ in range(3):
        desk.presses("Tab")
    expect(page.locator("#born2")).to_be_focused()
    page.keyboard.type("01071944")
    desk.presses("Enter")
    expect(page.locator(".offers")).to_be_focused()
    desk.presses("2")
    read_back = page.locator(".read-back")
    expect(read_back).to_be_focused()
    expect(read_back).to_contain_text("1er juillet 1944")
    assert hindrances(page) == []
    desk.presses("Tab")
    desk.presses("Enter")
    expect(page.locator("#booking .done .card")).to_have_count(2)
    expect(page.locator("#told")).to_contain_text("Réservé. Référence")
    expect(page.locator("#file")).to_contain_text("Rendez-vous de cet appel")


def wraps_up(desk: AtDesk, note: str) -> None:
    page = desk.page
    # What it was is evident, so that one key would do; a note stands before it.
    expect(page.locator("#finish")).to_be_focused()
    expect(page.locator("#code")).to_have_value("booked")
    assert hindrances(page) == []
    desk.presses("Shift+Tab")
    page.keyboard.type(note)
    desk.presses("Tab")
    desk.presses("Enter")
    desk.is_("ready")
    assert hindrances(page) == []


def test_both_people_are_booked_by_the_keyboard_alone(staged: DeskStage, desk: AtDesk):
    page = desk.page
    desk.ready()
    caller = staged.rings()
    gives_up_at_the_offers(caller)
    sees_the_file(page)
    assert hindrances(page) == []
    desk.answers()
    state_of(caller.page, WITH_PERSON)
    books_both(desk)
    desk.hangs_up()
    desk.is_("wrapup")
    state_of(caller.page, "Appel terminé")
    wraps_up(desk, "Vient avec sa sœur")

    bookings = staged.house.bookings()
    assert [booking.channel for booking in bookings] == ["agent", "agent"]
    assert len({booking.start_at for booking in bookings}) == 1
    read = [one.act for one in read_acts(staged.house.store)][-1]
    assert (read.what, read.why, read.staff_id) == ("read_file", "call", desk.staff.id)
    assert page.url.endswith("/poste")


def test_an_agent_with_time_finds_what_arrived_nowhere_and_has_it_called(
    staged: DeskStage, desk: AtDesk
):
    page, house = desk.page, staged.house
    booking_id = reaches_nobody(house)
    page.reload()
    row = page.locator("#cases .cases li")
    expect(row).to_contain_text("ligne fixe ou opérateur injoignable")
    assert hindrances(page) == []
    desk.presses("Alt+s")
    expect(row.locator("button")).to_be_focused()
    desk.presses("Enter")
    expect(page.locator("#case-title")).to_be_focused()
    card = page.locator("#cases .card")
    expect(card.locator(".messages li").first).to_contain_text("non remis")
    expect(card.locator(".messages")).to_contain_text("un n’est pas arrivé")
    assert hindrances(page) == []

    button = card.get_by_role("button", name="Faire appeler")
    for _ in range(12):
        if button.evaluate("one => one === document.activeElement"):
            break
        desk.presses("Tab")
    expect(button).to_be_focused()
    desk.presses("Enter")
    expect(page.locator("#told")).to_contain_text("La machine appelle ce numéro")
    expect(card.locator(".messages li")).to_have_count(2)
    (asked,) = house.messages("voice")
    assert asked.booking_id == booking_id
    parts = Service(Directory(house.database), house.campaign, house.settings.national_number)
    means = make_delivery_dependencies(house.settings, parts)
    assert deliver_message(house.store, NobodyWrites(), asked.id, means) == "call"
    assert [one.reason for one in house.promises()] == ["appointment"]

    page.select_option("#case-word", "reached")
    page.get_by_role("button", name="Clore le dossier").click()
    expect(page.locator("#cases")).to_contain_text("Aucun dossier à suivre")
    expect(page.locator("#told")).to_have_text("Dossier clos.")
    assert hindrances(page) == []
    done = [one.act.what for one in read_acts(house.store)]
    assert {"read_file", "had_called", "case_closed"} <= set(done)


class NobodyWrites:
    """A messenger for what goes by call."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"nothing is written: {name}")


def test_what_is_done_for_the_caller_before_is_refused_and_said(staged: DeskStage, desk: AtDesk):
    page = desk.page
    desk.ready()
    gives_up_at_the_offers(staged.rings())
    desk.answers()
    # A page that has not heard yet that somebody else is there.
    page.evaluate(
        "document.querySelectorAll('[name=entry]').forEach(one => { one.value = 'f'.repeat(32); })"
    )
    page.click("#booking .find")
    expect(page.locator("#trouble")).to_have_text(
        "Cet appel n’est plus le vôtre : rien n’a été fait."
    )
    desk.hangs_up()
    expect(page.locator("#trouble")).to_be_visible()
    desk.is_("talking")
    assert all("409" in trouble for trouble in desk.troubles)
    desk.troubles.clear()


def test_a_caller_is_handed_to_a_colleague_with_a_word_before(staged: DeskStage, desk: AtDesk):
    page = desk.page
    caller = desk.talks()
    colleague = staged.sits_down("Dominique Bernard")
    colleague.ready()

    desk.presses("Alt+l")
    expect(page.locator("#colleague")).to_be_focused()
    desk.presses("Tab")
    desk.presses("Enter")
    state_of(caller.page, "La personne vous a mis en attente")
    # The colleague sees the file before the caller is theirs.
    expect(colleague.page.locator("#answer")).to_be_focused()
    expect(colleague.page.locator("#file")).to_contain_text("12 mars 1942")
    colleague.presses("Enter")
    expect(page.locator("#third-state")).to_contain_text("la personne attend")
    desk.presses("Alt+t")
    state_of(caller.page, WITH_PERSON)
    colleague.is_("talking")
    expect(page.locator("#file")).to_have_count(0)
    colleague.hangs_up()
    colleague.is_("wrapup")
    state_of(caller.page, "Appel terminé")
    assert colleague.troubles == []


def test_a_page_that_is_lost_in_mid_call_comes_back_to_it(staged: DeskStage, desk: AtDesk):
    page = desk.page
    telephone = desk.has_a_telephone()
    desk.ready()
    caller = staged.rings()
    gives_up_at_the_offers(caller)
    expect(page.locator("#ring-how")).to_contain_text("tapez 1")
    desk.takes_up(telephone)
    state_of(caller.page, WITH_PERSON)
    expect(page.locator(".offers .offer")).to_have_count(3)
    page.locator('#booking-form input[name="people"][value="2"]').check()
    page.fill("#born2", "01071944")
    page.keyboard.press("Enter")
    expect(page.locator(".offers")).to_be_focused()

    desk.reopens()
    page = desk.page
    desk.is_("talking")
    state_of(caller.page, WITH_PERSON)
    expect(page.locator("#file")).to_contain_text("12 mars 1942")
    # What was typed, and what is held.
    expect(page.locator("#born2")).to_have_value("01071944")
    expect(page.locator(".offers .offer")).to_have_count(3)
    desk.presses("Alt+g")
    state_of(caller.page, "La personne vous a mis en attente")
    expect(page.locator('#actions form[action="/poste/attente"] [name="on"]')).to_have_value("0")
    desk.presses("Alt+g")
    state_of(caller.page, WITH_PERSON)


def test_a_call_that_the_agents_telephone_takes_is_said_to_be_there(
    staged: DeskStage, desk: AtDesk
):
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        twilio_account_sid=ACCOUNT,
        twilio_auth_token=TOKEN,
    )
    transport = HttpTransport(staged.url, staged.url)
    lines = RemoteSwitchboard(staged.simulator_url, settings, transport)
    rung: queue.Queue[Ring] = queue.Queue()
    lines.on_ring = rung.put
    lines.telephones([f"client:{desk.staff.id}"])
    desk.ready()
    caller = staged.rings()
    gives_up_at_the_offers(caller)
    taken = lines.answered(rung.get(timeout=PATIENCE_MS / 1000).sid)
    assert taken is not None
    call = taken.call(transport=transport, auth_token=TOKEN, clock=WallClock()).dial()
    told = desk.page.locator("#told")
    expect(told).to_have_text("L’appel est sur votre téléphone. Parlez là-bas.")
    desk.is_("talking")
    state_of(caller.page, WITH_PERSON)
    call.hang_up()
    expect(told).not_to_contain_text("téléphone")
    desk.is_("paused")
    lines.leave()
    transport.close()


def test_a_voice_that_is_lost_with_the_browser_puts_the_caller_first_again(
    staged: DeskStage, desk: AtDesk
):
    caller = desk.talks()
    desk.page.fill("#name1", "Odette Martin")
    desk.page.keyboard.press("Enter")
    expect(desk.page.locator(".offers")).to_be_focused()

    desk.reopens()
    desk.is_("paused")
    expect(desk.page.locator("#state")).to_contain_text("Votre ligne a été perdue")
    desk.ready_for_next()
    desk.answers()
    state_of(caller.page, WITH_PERSON)
    # The same caller, and what was done for them.
    expect(desk.page.locator("#name1")).to_have_value("Odette Martin")


def test_a_caller_goes_back_to_the_machine_and_goes_on_there(staged: DeskStage, desk: AtDesk):
    caller = desk.talks()
    expect(desk.page.locator(".offers .offer")).to_have_count(3)
    desk.presses("Alt+b")
    desk.page.locator("#step").select_option("offers")
    desk.presses("Tab")
    desk.presses("Enter")
    desk.is_("wrapup")
    expect(caller.page.locator("#talk")).to_contain_text("Autre jour ou lieu")


def test_who_hangs_up_leaves_the_agents_work_as_it_is(staged: DeskStage, desk: AtDesk):
    page = desk.page
    caller = desk.talks()
    page.fill("#name1", "Odette Mar")
    caller.page.click("#hang-up")
    desk.is_("wrapup")
    # Half a name is still there, and the keyboard with it.
    expect(page.locator("#name1")).to_have_value("Odette Mar")
    expect(page.locator("#name1")).to_be_focused()


def test_without_scripts_the_page_does_what_is_needed(staged: DeskStage, browser: Browser):
    page = shelf.take(browser, script=False)
    staged.pages.append(page)
    AtDesk(staged, page, staged.house.employs("agent", name="Alix")).comes()
    page.click('form[action="/poste/pret"] button')
    expect(page.locator("#told")).to_have_text("Vous êtes prêt.")
    page.fill("#search-reference", "1234567890")
    page.fill("#search-born", "12031942")
    page.fill("#search-postcode", "75011")
    page.click(".search button")
    expect(page.locator("#results")).to_contain_text("Rien n’est trouvé.")
    page.select_option("#pause-reason", "lunch")
    page.click('form[action="/poste/pause"] button')
    expect(page.locator("#told")).to_have_text("Vous êtes en pause.")

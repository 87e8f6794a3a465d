"""What the desk says and keeps while an agent works: what lacks, what to say, what it was."""

from __future__ import annotations

import re

import pytest

from tests.desk.test_desk import CHOICE, FORM, NONCE, PLACES, Desk
from tests.support.house import MOBILE, House, mornings

MISSING = re.compile(r'data-missing="(\w+)"')


@pytest.fixture
def desk(made: House) -> Desk:
    made.opens_centre("1", kilometres=0.4, starts=mornings(20), capacity=4)
    return Desk(made)


def test_what_lacks_follows_the_form_and_is_kept_with_the_caller(desk: Desk):
    desk.has(desk.made.phone(MOBILE).dials())
    nothing = {"people": "1", "text": "1"}
    assert MISSING.findall(desk.does("/manque", **nothing)) == ["born", "place", "number", "slot"]
    some = {**nothing, "born1": "12031942", "born2": "31021944", "people": "2", "place": "75011"}
    assert MISSING.findall(desk.does("/manque", **some)) == ["second", "number", "slot"]
    assert MISSING.findall(desk.does("/manque", **FORM)) == ["slot"]
    # Not the page alone knows it: another one, or this one after a night, has it again.
    assert desk.draft()["form"]["place"] == "75011"
    page = desk.client.get("/poste").text
    assert 'value="75011"' in page
    assert MISSING.findall(page) == ["slot"]


def test_without_a_script_the_keyboard_stands_in_the_first_missing_field(desk: Desk):
    desk.has(desk.made.phone(MOBILE).dials())
    page = desk.client.get("/poste").text
    (field,) = re.findall(r'<input id="(\w+)"[^>]* autofocus', page)
    assert field == "born1"
    # What is empty is no mistake; what was typed wrong is.
    answer = desk.does("/offres", people="1", born1="12031942", text="1", number="0612345678")
    assert 'id="wrong"' not in answer
    assert re.search(r'<input id="place"[^>]* data-focus', answer)
    assert "Cette commune n’est pas connue" in desk.does(
        "/offres", people="1", born1="12031942", place="Nulle part", number="0612345678"
    )


def test_a_greeting_tells_what_is_sought_and_no_birth_date(desk: Desk):
    desk.has(desk.made.phone(MOBILE).goes_to("offers"))
    (said,) = re.findall(
        r'class="greeting".*?</section>', desk.client.get("/poste").text, re.DOTALL
    )
    assert "Bonjour, Allô Rendez-vous. Je vois que vous cherchez" in said
    assert "Paris 11e" in said
    assert "1942" not in said


def test_whoever_answers_a_call_back_is_asked_who_they_are(desk: Desk):
    desk.has(desk.made.phone(MOBILE).goes_to("offers"), kind="callback", state="reserved")
    page = desk.client.get("/poste").text
    (said,) = re.findall(r'class="greeting".*?</section>', page, re.DOTALL)
    assert "est-ce bien vous" in said
    assert "Paris" not in said
    assert "Rappel à faire" in page
    assert "Appel entrant" not in page.partition('id="work"')[2]


def test_what_it_was_is_evident_from_what_was_done_last(desk: Desk):
    desk.has(desk.made.phone(MOBILE).dials())
    found = desk.does("/offres", **FORM)
    chosen = desk.does("/choisir", **FORM, choice=CHOICE.findall(found)[0])
    form = {**FORM, "places": PLACES.findall(chosen)[0], "nonce": NONCE.findall(chosen)[0]}
    desk.does("/reserver", **form)
    assert desk.draft()["done"] == "booked"
    desk.posts("/raccrocher")
    page = desk.client.get("/poste").text
    assert '<option value="booked" selected>' in page
    assert "Entrée suffit" in page

"""Silence, as callers leave it: a goodbye once all is done and told, and never a false reason."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.call.resume_call import BOOKED_WITHIN
from tests.support.house import LANDLINE, WITHHELD, House, Phone
from tests.support.rows import clock_of

BORN = "12031942"


def found(service: House) -> Phone:
    """A caller who has heard their appointment."""
    service.phone().books()
    (booking,) = service.bookings()
    clock_of(service).advance(BOOKED_WITHIN + timedelta(minutes=1))
    return service.phone().dials().answers("3", booking.reference, "1", BORN, "1")


@pytest.mark.parametrize("done", [(), ("2", "1", "1"), ("3", "1")], ids=["heard", "moved", "off"])
def test_after_what_is_done_silence_is_one_more_wording_then_thanks(
    service: House, done: tuple[str, ...]
):
    caller = found(service).answers(*done, "")
    assert not caller.ended
    caller.hears_text("Sans réponse, rien ne changera et l'appel se terminera")
    assert caller.stays_silent().hears_text("Merci de votre appel. Au revoir.").ended
    assert service.promises() == []


def test_who_falls_silent_is_not_said_to_have_asked_for_a_person(service: House):
    caller = service.phone(LANDLINE).goes_to("postcode")
    while not caller.ended:
        caller.stays_silent()
    (promise,) = service.promises()
    assert promise.reason == "quiet"


def test_a_withheld_line_without_a_sign_of_life_hears_name_and_hours_twice(service: House):
    caller = service.phone(WITHHELD).dials().answers("", "", "")
    assert caller.ended
    hours = "Allô Rendez-vous. Une personne répond aujourd'hui jusqu'à 20 heures."
    assert caller.since_input.count(hours) == 2

"""A call in English, from the key that the welcome tells to the text message."""

from __future__ import annotations

import pytest

from tests.support.house import LANDLINE, MOBILE, House
from tools.simulator.answers import AnswersLeg, read_question


def in_english(service: House, number: str = MOBILE):
    """A caller who has heard the invitation, and taken it."""
    caller = service.phone(number).dials().hears_text("For English, press 4.")
    return caller.presses("4").hears_text("Hello. Allô Rendez-vous")


@pytest.mark.parametrize("number", [MOBILE, LANDLINE])
def test_somebody_who_only_reads_menus_is_booked_in_english(service: House, number: str):
    caller = in_english(service, number)
    leg = AnswersLeg({"dob": "12031942", "postcode": "75011"}, sender=number)
    for _ in range(20):
        if caller.ended or caller.waiting_gather is None:
            break
        question = read_question(caller.since_input, caller.waiting_gather)
        if question.field:
            caller.presses(leg.answers_given[question.field])
        elif question.options:
            caller.presses(leg.choose(question.options))
        else:
            caller.stays_silent()
    assert caller.ended_normally
    assert len(service.bookings()) == 1

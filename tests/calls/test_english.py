"""A call in English, from the key that the welcome tells to the text message."""

from __future__ import annotations

import pytest

from simulator.answers import AnswersLeg, read_question
from tests.support.house import LANDLINE, MOBILE, House


def in_english(service: House, number: str = MOBILE):
    """A caller who has heard the invitation, and taken it."""
    caller = service.phone(number).dials().hears_text("For English, press 3.")
    return caller.presses("3").hears_text("Hello. This is Allô Rendez-vous")


def test_a_caller_is_booked_in_english_and_the_text_is_english_too(service: House):
    caller = in_english(service).hears_text("To speak to a person, press 0.")
    caller.presses("1").presses("1").hears_text("Type the date of birth as eight digits")
    caller.presses("12031942").hears_text("born on 12 March 1942")
    caller.presses("1").hears_text("Type the five digits of your postcode")
    caller.presses("75011").hears_text("Your postcode is 7 5 0 1 1, Paris 11e")
    caller.presses("1").hears_text("Gymnase Jaurès, in Paris 11e, 4 kilometres away")
    caller.hears_text("For Thursday 26 November at 10 am, press 2.")
    caller.presses("2").presses("1").hears_text("The appointment is on Thursday 26 November")
    caller.presses("1").hears_text("Your appointment is confirmed")
    (booking,) = service.bookings()
    digits = ", ".join(
        f"{booking.reference[i]} {booking.reference[i + 1]}" for i in range(0, 10, 2)
    )
    caller.presses("1").hears_text(f"I repeat, reference: {digits}.")
    caller.presses("1").hears_text("Goodbye")

    assert caller.ended_normally
    assert not caller.errors
    (text,) = service.messages("sms")
    assert "Appointment Thursday 26 November at 10:00 am, 12 rue" in service.text_of(text)


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


def test_french_is_offered_back_and_the_call_goes_on_in_it(service: House):
    caller = in_english(service).hears_text("Pour le français, tapez 3.")
    caller.presses("3").hears_text("Bonjour. Ici Allô Rendez-vous")


def test_a_person_is_promised_in_english(service: House):
    caller = in_english(service).presses("0").presses("1")
    caller.hears_text("on the number ending in 78")
    assert caller.ended_normally
    assert len(service.promises()) == 1

"""The main job: ring, be booked, get the text."""

from __future__ import annotations

import pytest

from tests.support.house import LANDLINE, MOBILE, WITHHELD, House


def test_a_caller_with_a_mobile_is_booked_and_gets_one_text(service: House):
    caller = service.phone(MOBILE).dials()
    caller.hears_text("Pour parler à une personne, tapez 0")
    caller.presses("1").hears_text("Pour qui est ce rendez-vous")
    caller.presses("1").hears_text("date de naissance")
    caller.presses("12031942").hears_text("12 mars 1942")
    caller.presses("1").hears_text("code postal")
    caller.presses("75011").hears_text("Paris 11e")
    caller.presses("1").hears_text("Salle des fêtes, à Paris 11e, à moins d'un kilomètre")
    caller.hears_text("Gymnase Jaurès, à Paris 11e, à 4 kilomètres à vol d'oiseau")
    caller.presses("2").hears_text("se termine par 78")
    caller.presses("1").hears_text("jeudi 26 novembre à 10 heures")
    assert service.bookings() == []
    caller.presses("1").hears_text("Votre rendez-vous est confirmé")
    caller.presses("1").hears_text("référence : ")
    caller.presses("1").hears_text("Au revoir")

    assert caller.ended_normally
    assert not caller.errors
    (booking,) = service.bookings()
    assert (booking.centre_id, booking.channel, booking.state) == ("2", "phone", "confirmed")
    (text,) = service.messages("sms")
    assert service.woken.messages == [text.id]
    assert booking.reference in service.text_of(text)
    assert service.held() == 0


@pytest.mark.parametrize("number", [LANDLINE, WITHHELD])
def test_without_a_mobile_the_booking_is_the_same_and_no_text_leaves(service: House, number: str):
    caller = service.phone(number).books()
    assert caller.ended_normally
    assert len(service.bookings()) == 1
    assert service.messages("sms") == []

"""A booking in which everything is pasted, and an appointment that is found that way."""

from __future__ import annotations

import pytest

from tests.online.visitors import Visitor
from tests.support.house import House, mornings

# Day, month, year, postcode, number.
PASTES = {
    "tied blanks": ("\u00a012", "\u202f3", "19\u00a042", "75\u00a0011", "06\u00a012\u202f345678"),
    "dots and dashes": ("12.", "03-", "1942.", "75\u2011011", "06\u201112\u201334.56\u221278"),
    "full width": ("１２", "０３", "１９４２", "７５０１１", "０６１２３４５６７８"),
    "unseen marks": ("\u200e12", "3\u200f", "\ufeff1942", "7\u200b5011", "\u202a0612345678\u202c"),
    "all in one": (
        "12\u00a0/\u00a003\u00a0/\u00a01942",
        "",
        "",
        "75011",
        "+33\u00a0(0)6 12 34 56 78",
    ),
    "all in one, full width": (
        "１２．０３．１９４２",
        "",
        "",
        "75011",
        "＋３３ ６ １２ ３４ ５６ ７８",
    ),
}


@pytest.mark.parametrize("name", PASTES)
def test_whatever_is_pasted_into_a_field_books(made: House, name: str):
    made.opens_centre("1", starts=mornings(3), capacity=5)
    day, month, year, where, number = PASTES[name]
    visitor = Visitor(made).sends("/rendez-vous", whom="self")
    visitor.presses("/rendez-vous/naissance", day=day, month=month, year=year)
    assert visitor.path == "/rendez-vous/commune", visitor.page
    visitor.presses("/rendez-vous/commune", where=where)
    assert visitor.path == "/rendez-vous/creneaux", visitor.page
    visitor.presses("/rendez-vous/creneaux", place=visitor.places[0])
    visitor.presses("/rendez-vous/joindre", number=number)
    assert visitor.path == "/rendez-vous/confirmer", visitor.page
    visitor.reads("12 mars 1942", "06 12 34 56 78").presses("/rendez-vous/confirmer")
    (booked,) = made.bookings()
    reference = "\u00a0".join(booked.reference)
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in booked.reference)
    for pasted in (reference, wide, ".".join(booked.reference), f"\u200e{booked.reference}"):
        asks = Visitor(made)
        asks.sends("/mon-rendez-vous", reference=pasted, day=day, month=month, year=year)
        assert (asks.status, asks.path) == (200, "/mon-rendez-vous/envoye"), pasted
    assert len(made.messages("sms")) > 1

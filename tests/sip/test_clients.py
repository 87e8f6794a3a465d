"""Telephones of others book, from the ring to the reference: baresip and sipp."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sip.others import Baresip, Sipp
from tests.sip.town import BOOKING, NATIONAL, Town, town
from tests.support import parts
from tests.support.house import MOBILE
from tools.simulator.outcomes import reference_in

GROUPS = [keys for _, keys in BOOKING]


@pytest.fixture
def place(database_url: str, tmp_path: Path) -> Iterator[Town]:
    parts.require(parts.SIP_CLIENTS)
    with town(database_url, tmp_path) as made:
        made.opens_telephones()
        yield made


def is_booked(place: Town) -> None:
    """One booking by telephone; its reference is in the text in the simulator's list."""
    (booking,) = place.house.bookings()
    assert booking.channel == "phone"
    place.delivers()
    assert reference_in(place.texts(MOBILE)) == booking.reference


def test_baresip_books_with_keys_in_its_sound(place: Town, tmp_path: Path):
    host, port = place.sip
    with Baresip(tmp_path / "baresip", MOBILE) as telephone:
        telephone.does("dial", f"sip:{NATIONAL}@{host}:{port}")
        telephone.waits_for("CALL_ESTABLISHED")
        place.books(telephone.presses, telephone.heard)
        telephone.does("hangup")
    is_booked(place)


def test_sipp_books_with_keys_in_its_messages(place: Town, tmp_path: Path):
    with Sipp(tmp_path / "sipp", place.sip, MOBILE, GROUPS) as telephone:
        place.books(telephone.presses, telephone.heard)
    is_booked(place)

"""The keys that `make ring` presses by itself book, to the last of them, and its text tells so."""

from __future__ import annotations

from simulator.ring.__main__ import KEYS, reference_in
from tests.calls.telephone import Post
from tests.support.house import MOBILE, house, mornings


def test_the_keys_of_make_ring_are_all_asked_for_and_a_text_holds_the_reference(database_url: str):
    with house(database_url) as service:
        service.opens_centre("1", starts=mornings(34, first=8), capacity=5)
        caller = service.phone(MOBILE).dial()
        for keys in KEYS.split(","):
            assert not caller.end_reason, f"the call is over before {keys}"
            caller.presses(keys)
        assert caller.ended_normally
        post = Post(service)
        post.works()
        (booking,) = service.bookings()
        assert reference_in([text for _, text in post.texts.sent]) == booking.reference

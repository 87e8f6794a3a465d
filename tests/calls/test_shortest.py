"""The keys that `make ring` presses by itself book, to the last of them, and its text tells so."""

from __future__ import annotations

import re
import tomllib

from pathlib import Path

import pytest

from tests.calls.telephone import Post
from tests.support.house import MOBILE, house, mornings
from tools.simulator.outcomes import reference_in
from tools.simulator.ring.__main__ import KEYS


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


REFERENCE, NUMBER = "4535081312", "09 74 75 00 01"
FIELD = re.compile(r"\{(\w+)[^}]*\}")


@pytest.mark.parametrize("language", ["fr", "en", "es"])
def test_the_reference_is_found_in_every_text_that_holds_it(language: str):
    words = tomllib.loads(Path(f"prompts/{language}.toml").read_text("utf-8"))["text"]
    texts = [text for text in words.values() if "{reference}" in text]
    assert len(texts) > 30
    known = {"reference": REFERENCE, "number": NUMBER}
    for text in texts:
        filled = FIELD.sub(lambda field: known.get(field[1], "…"), text)
        assert reference_in([f"{filled} http://x/r/a"]) == REFERENCE, text

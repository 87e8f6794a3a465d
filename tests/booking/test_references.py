"""References: ten digits, the first no zero; those of before that begin with one are as good."""

from __future__ import annotations

import secrets

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from flows.understanding.digits import digits
from services.short_links import LinkKind, Links
from services.store import CryptographicChance
from services.vocabulary import vocabulary
from tests.support.house import CountingChance, House, house, mornings

OLD = "0612345678"


def test_a_reference_has_ten_digits_and_the_first_is_no_zero():
    made = [CryptographicChance().reference() for _ in range(2000)]
    assert all(len(one) == 10 and one.isdecimal() and one[0] != "0" for one in made)
    # All nine other digits come first, and no two are the same.
    assert {one[0] for one in made} == set("123456789")
    assert len(set(made)) == len(made)


def test_every_reference_without_a_leading_zero_can_come(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(secrets, "randbelow", lambda limit: 0)
    assert CryptographicChance().reference() == "1000000000"
    # The last of nine thousand million.
    monkeypatch.setattr(secrets, "randbelow", lambda limit: limit - 1)
    assert CryptographicChance().reference() == "9999999999"


class Before(CountingChance):
    """As an earlier version made them: one in ten began with a zero."""

    def reference(self) -> str:
        return OLD


@pytest.fixture
def old(database_url: str) -> Iterator[House]:
    with house(database_url, chance=Before()) as made:
        made.opens_centre("1", kilometres=0.4, starts=mornings(5))
        yield made


def test_one_that_begins_with_a_zero_is_found_when_it_is_typed(old: House):
    old.phone().goes_to("reference")
    caller = old.phone().asks_for_theirs().presses(OLD)
    assert caller.step == "my_reference_check"
    caller.presses("1").presses("12031942").presses("1")
    caller.hears_text("Votre rendez-vous est le")


def test_one_that_begins_with_a_zero_is_understood_when_it_is_said():
    words = vocabulary("fr")
    for said in (
        "zéro six douze trente-quatre cinquante-six soixante-dix-huit",
        "06 12 34 56 78",
        "zéro 6, douze, trente 4, cinquante 6, soixante-dix-huit",
    ):
        assert digits(said, words, length=10) == OLD


def test_a_link_to_one_that_begins_with_a_zero_names_it_whole():
    links = Links("https://allo.example", "a secret")
    now = datetime(2026, 11, 25, 10, tzinfo=UTC)
    token = links.of_booking(OLD, [now + timedelta(days=3)]).rpartition("/")[2]
    assert links.read(LinkKind.BOOKING, token, now.date()) == OLD

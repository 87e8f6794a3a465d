"""Short links: what is sealed in them, and that nothing else opens."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from services.online.attempts import place_of
from services.short_links import GOOD_AFTER, LETTERS, LinkKind, Links

LINKS = Links("https://allo.example", "a-secret-of-the-tests")
START = datetime(2026, 11, 27, 9, tzinfo=UTC)
TODAY = START.date()
derandomized = settings(derandomize=True, database=None, deadline=None, max_examples=300)


def token_of(address: str) -> str:
    return address.rpartition("/")[2]


@derandomized
@given(
    number=st.integers(0, 10**10 - 1),
    day=st.dates(date(2020, 1, 1), date(2064, 1, 1)),
    kind=st.sampled_from([LinkKind.BOOKING]),
)
def test_what_was_sealed_is_read_until_its_day(number: int, day: date, kind: LinkKind):
    token = LINKS.token(kind, number, day)
    assert len(token) == LETTERS
    assert token.isascii()
    assert token.isalnum()
    assert LINKS.read(kind, token, day) == f"{number:010d}"
    assert LINKS.read(kind, token, day + timedelta(days=1)) is None


def test_a_link_of_a_booking_is_good_some_days_after_its_last_appointment():
    second = START + timedelta(days=24)
    address = LINKS.of_booking("4521738908", [START, second])
    assert address.startswith("https://allo.example/r/")
    token = token_of(address)
    last = second.date() + GOOD_AFTER
    assert LINKS.read(LinkKind.BOOKING, token, last) == "4521738908"
    assert LINKS.read(LinkKind.BOOKING, token, last + timedelta(days=1)) is None
    assert LINKS.of_booking("", [START]) == ""


def test_a_link_that_is_changed_anywhere_opens_nothing():
    token = token_of(LINKS.of_booking("4521738908", [START]))
    letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    changed = [
        token[:at] + letter + token[at + 1 :]
        for at in range(LETTERS)
        for letter in letters
        if letter != token[at]
    ]
    assert len(changed) == LETTERS * 61
    assert not [one for one in changed if LINKS.read(LinkKind.BOOKING, one, TODAY)]


def test_what_was_never_made_opens_nothing():
    for made_up in (
        "",
        "0" * 15,
        "z" * 15,
        "é" * 15,
        "a" * 14,
        "a" * 16,
        "../../etc/passw",
        "٣" * 15,
    ):
        assert LINKS.read(LinkKind.BOOKING, made_up, TODAY) is None, made_up


def test_a_link_of_one_kind_or_of_another_service_is_none_of_this():
    code = token_of(LINKS.of_code("204061", START))
    assert LINKS.read(LinkKind.CODE, code, TODAY) == "204061"
    assert LINKS.read(LinkKind.BOOKING, code, TODAY) is None
    booking = token_of(LINKS.of_booking("4521738908", [START]))
    assert LINKS.read(LinkKind.CODE, booking, TODAY) is None
    other = Links(LINKS.base_url, "another secret")
    assert other.read(LinkKind.BOOKING, booking, TODAY) is None
    assert "secret" not in repr(LINKS)


def test_two_bookings_one_digit_apart_have_nothing_in_common():
    one, other = (
        token_of(LINKS.of_booking(reference, [START])) for reference in ("4521738908", "4521738909")
    )
    assert sum(a == b for a, b in zip(one, other, strict=True)) < 6


def test_a_place_is_an_address_or_a_home():
    assert place_of("192.0.2.7") == "192.0.2.7/32"
    assert place_of("::ffff:192.0.2.7") == "192.0.2.7/32"
    assert place_of("2001:db8:1:2ff::1") == place_of("2001:db8:1:200:9::2")
    assert place_of("2001:db8:1:300::1") != place_of("2001:db8:1:200::1")
    assert place_of("unix:") == "nowhere"

"""A page that was open over night, a browser without cookies, two tabs, and the key for back."""

from __future__ import annotations

import html
import re
import time

from datetime import timedelta

import pytest

from itsdangerous import TimestampSigner

from tests.online.visitors import BORN, OTHER_DAY, Visitor
from tests.support.house import BASE, House, mornings
from web.online.cookies import BOOKING_LIVES, LONG_AGO

HIDDEN = re.compile(r'type="hidden" name="([^"]+)" value="([^"]*)"')
LATE = "Cette page est restée ouverte longtemps"
NUMBER = "tel:+33974750001"


@pytest.fixture
def open_house(made: House) -> House:
    made.opens_centre("1", starts=mornings(3), capacity=5)
    return made


def passes(monkeypatch: pytest.MonkeyPatch, hours: timedelta) -> None:
    """So much later, for cookies that were given before."""
    later = int(time.time() + hours.total_seconds())
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda _self: later)


def hidden(visitor: Visitor) -> dict[str, str]:
    return {name: html.unescape(value) for name, value in HIDDEN.findall(visitor.page)}


NIGHT = BOOKING_LIVES + timedelta(hours=8)


def test_an_answer_after_a_night_is_kept_until_the_birth_date_is_given(
    open_house: House, monkeypatch: pytest.MonkeyPatch
):
    visitor = Visitor(open_house).comes_to("joindre")
    passes(monkeypatch, NIGHT)
    visitor.presses("/rendez-vous/joindre", number="06 12 34 56 78", wish="number")
    assert visitor.status == 410
    visitor.reads(LATE, "gardé dans cette page", NUMBER)
    assert 'value="1942"' not in visitor.page
    kept = hidden(visitor)
    assert kept["kept_number"] == "06 12 34 56 78"
    # Another person at this computer learns and does nothing.
    visitor.sends("/rendez-vous/reprendre", **kept, **OTHER_DAY).reads("Ce n’est pas la date")
    assert visitor.status == 422
    kept = hidden(visitor)
    visitor.sends("/rendez-vous/reprendre", **kept, day="12.", month="mars", year="1942")
    assert (visitor.status, visitor.path) == (200, "/rendez-vous/confirmer")
    visitor.reads("06 12 34 56 78", "12 mars 1942")
    assert open_house.bookings() == []
    visitor.presses("/rendez-vous/confirmer")
    assert visitor.path == "/rendez-vous/fait"
    assert len(open_house.bookings()) == 1


def test_nothing_is_booked_by_a_press_that_waited_over_night(
    open_house: House, monkeypatch: pytest.MonkeyPatch
):
    visitor = Visitor(open_house).comes_to("confirmer")
    passes(monkeypatch, NIGHT)
    visitor.presses("/rendez-vous/confirmer").reads(LATE)
    visitor.sends("/rendez-vous/reprendre", **hidden(visitor), **BORN)
    assert (visitor.path, open_house.bookings()) == ("/rendez-vous/confirmer", [])


def test_before_anything_was_told_a_page_goes_on_as_if_there_had_been_no_night(
    open_house: House, monkeypatch: pytest.MonkeyPatch
):
    visitor = Visitor(open_house).comes_to("naissance")
    passes(monkeypatch, NIGHT)
    visitor.presses("/rendez-vous/naissance", **BORN)
    assert (visitor.status, visitor.path) == (200, "/rendez-vous/commune")


def test_what_is_older_is_gone_and_no_one_may_guess_for_long(
    open_house: House, monkeypatch: pytest.MonkeyPatch
):
    visitor = Visitor(open_house).comes_to("joindre")
    passes(monkeypatch, NIGHT)
    visitor.goes("/rendez-vous/joindre").reads(LATE)
    form = hidden(visitor)
    for _ in range(12):
        visitor.sends("/rendez-vous/reprendre", **form, **OTHER_DAY)
    visitor.sends("/rendez-vous/reprendre", **form, **BORN)
    assert visitor.status == 422
    passes(monkeypatch, LONG_AGO + timedelta(minutes=1))
    visitor.goes("/rendez-vous/joindre")
    assert (visitor.status, LATE in visitor.page) == (410, False)
    visitor.sends("/rendez-vous/reprendre", **form, **BORN)
    assert visitor.status == 410


def test_a_browser_without_cookies_is_told_so(open_house: House):
    client = open_house.app.test_client(use_cookies=False)
    came = {"Origin": BASE, "Referer": f"{BASE}/rendez-vous"}
    answer = client.post("/rendez-vous", base_url=BASE, headers=came, data={"whom": "self"})
    assert answer.status_code == 303
    page = client.get(answer.headers["Location"], base_url=BASE, headers=came)
    assert page.status_code == 410
    assert "Votre navigateur refuse les cookies" in page.text
    assert NUMBER in page.text
    # A link from elsewhere says nothing about cookies.
    other = client.get("/rendez-vous/naissance", base_url=BASE)
    assert "refuse les cookies" not in other.text
    # The search of centres, and asking for a text, need none.
    found = client.post("/centres", base_url=BASE, headers=came, data={"where": "75011"})
    asked = {"reference": "4521000004", **BORN}
    text = client.post("/mon-rendez-vous", base_url=BASE, headers=came, data=asked)
    assert (found.status_code, text.status_code) == (200, 303)


def test_no_page_for_citizens_asks_the_browser_what_time_it_is():
    from tests.support.keeper import ROOT  # noqa: PLC0415

    for name in ("book.js", "busy.js", "room.js"):
        script = (ROOT / "web/static" / name).read_text("utf-8")
        assert not re.search(r"\bDate\b", script), name

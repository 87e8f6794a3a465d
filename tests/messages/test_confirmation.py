"""The confirmation by text: two parts at most, whatever the centre is called, and not what for."""

from __future__ import annotations

import re

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import pytest

from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.segments import segment_count
from jobs.feeds import read_centres
from prompts.catalogue import load
from services.centres.import_centres import CentreRecord
from services.messages import texts
from services.messages.sms_parts import parts, septets, to_gsm
from services.messages.texts import MessagePlace, Writer
from tests.messages.test_texts import WHAT_FOR

PARIS = ZoneInfo("Europe/Paris")
REFERENCE = "4521738908"
NUMBER = "+33974750001"
# The longest day and month of the year in letters, and the shortest.
STARTS = (
    datetime(2026, 9, 30, 10, 45, tzinfo=PARIS),
    datetime(2027, 5, 1, 9, 0, tzinfo=PARIS),
)
# One appointment, or a first and a second one three or four weeks later.
APPOINTMENTS = (
    *((start,) for start in STARTS),
    *((start, start + timedelta(days=days, hours=2)) for start in STARTS for days in (21, 28)),
)
PAIRS = tuple(starts for starts in APPOINTMENTS if len(starts) > 1)
MOST_PARTS = 2
derandomized = settings(derandomize=True, database=None, deadline=None, max_examples=400)


def text_for(centre: CentreRecord, starts: Sequence[datetime], language: str = "fr") -> str:
    return texts.confirmation(
        Writer(load(language), REFERENCE, NUMBER),
        starts=starts,
        where=place_of(centre),
    )


def place_of(centre: CentreRecord) -> MessagePlace:
    return MessagePlace(centre.street, centre.name, centre.postcode, centre.town)


@lru_cache
def centres() -> tuple[CentreRecord, ...]:
    return tuple(read_centres().records)


@lru_cache
def each_text(
    appointments: tuple[tuple[datetime, ...], ...] = APPOINTMENTS,
) -> list[tuple[CentreRecord, str]]:
    return [(centre, text_for(centre, starts)) for centre in centres() for starts in appointments]


def test_the_text_of_every_real_centre_tells_both_appointments_and_that_they_are_two():
    """At one place, which is told once."""
    for starts in PAIRS:
        days = [
            f"{start.day}/{start.month:02} à {start.hour}h{start.minute:02}" for start in starts
        ]
        for centre, text in each_text((starts,)):
            assert all(day in text for day in days), (centre.id, text)
            assert text.index(days[0]) < text.index(days[1]), centre.id
            two = r"Allo Rendez-vous : (vos deux rendez-vous|2 rendez-vous|2 RDV) : "
            assert re.match(two, text), (centre.id, text)


def test_the_english_text_of_every_real_centre_has_all_that_matters():
    for centre in centres():
        for starts in APPOINTMENTS:
            text = text_for(centre, starts, "en")
            assert segment_count(text) <= MOST_PARTS, (centre.id, text)
            assert text.count(REFERENCE) == 1, centre.id
            assert "09 74 75 00 01" in text, centre.id
            days = [f"{start:%a} {start.day}/{start:%m} at" for start in starts]
            in_full = f"{starts[0]:%A} {starts[0].day} {starts[0]:%B} at"
            assert in_full in text or all(day in text for day in days), (centre.id, text)
            assert not WHAT_FOR.search(text), (centre.id, text)


def test_the_english_text_of_two_appointments_reads_so():
    text = texts.confirmation(
        Writer(load("en"), REFERENCE, NUMBER),
        starts=PAIRS[0],
        where=MessagePlace("12 rue de la Paix", "Salle Chanzy", "75011", "Paris 11e"),
    )
    assert text == (
        "Allo Rendez-vous: 2 appointments: Wed 30/09 at 10:45am, Wed 21/10 at 12:45pm,"
        " Salle Chanzy, 12 rue de la Paix, 75011 Paris 11e. Ref. 4521738908. 09 74 75 00 01"
    )


def test_the_text_of_two_appointments_reads_so():
    text = texts.confirmation(
        Writer(load("fr"), REFERENCE, NUMBER),
        starts=PAIRS[0],
        where=MessagePlace("12 rue de la Paix", "Salle Chanzy", "75011", "Paris 11e"),
    )
    assert text == (
        "Allo Rendez-vous : 2 rendez-vous : mer. 30/09 à 10h45, mer. 21/10 à 12h45,"
        " Salle Chanzy, 12 rue de la Paix, 75011 Paris 11e. Réf. 4521738908. 09 74 75 00 01"
    )


@pytest.mark.parametrize("starts", APPOINTMENTS)
def test_a_town_too_long_for_two_parts_gives_way_before_the_reference(starts: Sequence[datetime]):
    text = texts.confirmation(
        Writer(load("fr"), REFERENCE, NUMBER),
        starts=starts,
        where=MessagePlace("12 rue de la Paix", "", "75011", "[" * 150),
    )
    assert parts(text) <= MOST_PARTS
    assert re.search(rf"\. Réf(érence|\.) {REFERENCE}\. (Tél\. |)09 74 75 00 01$", text)


def test_accents_stay_where_the_alphabet_has_them_and_lose_only_the_accent_elsewhere():
    assert to_gsm("Élancourt, à l'Haÿ-les-Roses, œuvre, forêt, Besançon, Noël") == (
        "Élancourt, à l'Hay-les-Roses, oeuvre, foret, Besancon, Noel"
    )
    assert to_gsm("12 n° 3 «ici» – là… l’Île") == '12 no 3 "ici" - là... l\'Ile'


@pytest.mark.parametrize("letters", ["€" * 200, "[" * 200, "{}~|\\^" * 40, "œ" * 200, "é" * 200])
@pytest.mark.parametrize("starts", APPOINTMENTS[1:3])
def test_letters_that_count_twice_are_counted_twice(letters: str, starts: Sequence[datetime]):
    text = texts.confirmation(
        Writer(load("fr"), REFERENCE, NUMBER),
        starts=starts,
        where=MessagePlace(letters, "", "75011", "Paris"),
    )
    assert parts(text) <= MOST_PARTS
    assert REFERENCE in text
    assert "09 74 75 00 01" in text


@derandomized
@given(st.text())
def test_any_text_in_gsm_letters_can_be_sent_and_stays_as_it_is_the_second_time(text: str):
    plain = to_gsm(text)
    septets(plain)  # raises for a letter that the alphabet lacks
    assert to_gsm(plain) == plain
    assert plain.count("?") <= sum(text.count(mark) for mark in "?¿⁇⁈⁉？﹖") * 2

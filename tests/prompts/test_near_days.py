"""Today and tomorrow, said with the date: by the clock of the place, at the moment of saying."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from flows.speech import Line, Speech, TurnOutcome
from ivr.addresses import Addresses
from ivr.twiml import render
from prompts.catalogue import load
from prompts.values import Part
from tests.flows.fake_world import FakeWorld
from tests.flows.talk import Talk

PARIS = ZoneInfo("Europe/Paris")
REUNION = ZoneInfo("Indian/Reunion")
# A Sunday evening in Paris, and Monday already in Réunion.
NOW = datetime(2026, 11, 29, 21, 30, tzinfo=UTC)
START = Part("", "start", "day_hour")


def said(language: str, moment: datetime, now: datetime | None = NOW) -> str:
    return load(language).spoken(START, {"start": moment}, now)


@pytest.mark.parametrize(
    ("language", "today", "tomorrow"),
    [
        (
            "fr",
            "dimanche 29 novembre, aujourd'hui, à 23 heures",
            "lundi 30 novembre, demain, à 15 heures",
        ),
        (
            "en",
            "Sunday 29 November, today, at 11 PM",
            "Monday 30 November, tomorrow, at 3 PM",
        ),
        (
            "es",
            "domingo 29 de noviembre, hoy, a las 23 horas",
            "lunes 30 de noviembre, mañana, a las 15 horas",
        ),
    ],
)
def test_the_word_stands_with_the_date(language: str, today: str, tomorrow: str):
    assert said(language, datetime(2026, 11, 29, 23, tzinfo=PARIS)).casefold() == today.casefold()
    monday = datetime(2026, 11, 30, 15, tzinfo=PARIS)
    assert said(language, monday).casefold() == tomorrow.casefold()


def test_days_are_those_of_the_place():
    # Half past one in the night of Monday there: Monday is today, and Tuesday tomorrow.
    assert said("fr", datetime(2026, 11, 30, 9, tzinfo=REUNION)) == (
        "lundi 30 novembre, aujourd'hui, à 9 heures"
    )
    assert said("fr", datetime(2026, 12, 1, 9, tzinfo=REUNION)) == (
        "mardi 1er décembre, demain, à 9 heures"
    )


def test_other_days_have_their_date_alone():
    assert said("fr", datetime(2026, 12, 1, 9, tzinfo=PARIS)) == "mardi 1er décembre à 9 heures"
    assert said("fr", datetime(2026, 11, 28, 9, tzinfo=PARIS)) == "samedi 28 novembre à 9 heures"
    assert said("fr", datetime(2027, 11, 30, 9, tzinfo=PARIS)) == "mardi 30 novembre à 9 heures"


def test_what_is_read_later_has_the_date_alone():
    """A text lies on a telephone for days: nobody knows when it is read."""
    monday = datetime(2026, 11, 30, 15, tzinfo=PARIS)
    assert said("fr", monday, None) == "lundi 30 novembre à 15 heures"
    catalogue = load("fr")
    text = catalogue.text(
        "confirmation",
        {"start": monday, "address": "1 rue X", "reference": "1", "number": "09 74 75 00 01"},
    )
    assert "lundi 30 novembre à 15h00" in text
    assert "demain" not in text


def test_the_clock_goes_from_summer_to_winter_in_between():
    now = datetime(2026, 10, 24, 22, 30, tzinfo=UTC)  # Sunday 0:30 in Paris, before the change
    assert "aujourd'hui" in said("fr", datetime(2026, 10, 25, 9, tzinfo=PARIS), now)
    assert "demain" in said("fr", datetime(2026, 10, 26, 0, 15, tzinfo=PARIS), now)


def test_a_call_is_answered_with_the_word_of_its_own_moment():
    talk = Talk(FakeWorld()).goes_to("offers")
    assert talk.speech.now == talk.world.moment
    tomorrow = (talk.world.moment + timedelta(days=1)).astimezone(PARIS)
    line = Line(
        "my_one", {"start": tomorrow, "place": "Salle", "street": "1 rue X", "town": "Albi"}
    )
    speech = Speech((line,), None, TurnOutcome.ENDED, now=talk.world.moment)
    said = render(speech, load("fr"), Addresses("https://x.test"), 2)
    assert ", demain, à " in said
    # Said again in the next night, it is that day's.
    later = replace(speech, now=talk.world.moment + timedelta(days=1))
    assert ", aujourd'hui, à " in render(later, load("fr"), Addresses("https://x.test"), 2)

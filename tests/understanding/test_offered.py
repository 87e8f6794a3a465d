"""Which of the appointments that were read out is meant, by what is said of them."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from flows.understanding.offered import ReadOut, Wanted, after_correction, wanted_among
from tests.understanding.answers import vocabulary

PARIS = ZoneInfo("Europe/Paris")
# A Wednesday.
TODAY = date(2026, 12, 2)
TOLD = (
    ReadOut(datetime(2026, 12, 3, 14, 0, tzinfo=PARIS), 2.0, "Mairie Guipavas"),
    ReadOut(datetime(2026, 12, 2, 16, 30, tzinfo=PARIS), 8.0, "Hôpital de la Cavale Blanche Brest"),
    ReadOut(
        datetime(2026, 12, 4, 9, 15, tzinfo=PARIS), 12.0, "Gymnase Jean-Jaurès Plougastel-Daoulas"
    ),
)
ALL = (0, 1, 2)


def wanted(text: str, language: str = "fr") -> Wanted | None:
    return wanted_among(text, vocabulary(language), TOLD, TODAY)


def fitting(text: str, language: str = "fr") -> tuple[int, ...] | None:
    found = wanted(text, language)
    return None if found is None else found.fitting


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("la mairie", (0,)),
        ("à l'hôpital", (1,)),
        ("le gymnase de Plougastel", (2,)),
        ("pas la mairie, l'hôpital", (1,)),
        ("demain", (0,)),
        ("pas aujourd'hui, demain", (0,)),
        ("après-demain", (2,)),
        ("plutôt vendredi", (2,)),
        ("le quatre décembre", (2,)),
        ("le 4 décembre à 9h15", (2,)),
        ("à quatorze heures", (0,)),
        ("deux heures de l'après-midi", (0,)),
        ("quatre heures et demie", (1,)),
        ("neuf heures et quart", (2,)),
        ("celui du matin", (2,)),
        ("le plus tôt possible", (1,)),
        ("le plus tôt demain", (0,)),
        ("le plus près de chez moi", (0,)),
        ("le premier de la liste", (0,)),
        ("le dernier que vous avez dit", (2,)),
        ("celui du milieu", (1,)),
        ("jeudi, non vendredi", (2,)),
        # Several fit, or it is not certain what is meant: asked, with none of them taken.
        ("je peux pas le matin", (0, 1)),
        ("l'après-midi", (0, 1)),
        ("jeudi ou vendredi", ALL),
        ("jeudi je peux pas", ALL),
        ("jeudi non", ALL),
        ("avant vendredi", ALL),
        ("c'est où l'hôpital ?", ALL),
        # Nothing of what was read.
        ("", None),
        ("oui", None),
        ("mars", None),
        ("le premier ministre recevra les syndicats jeudi", None),
        ("l'hôpital public est en crise, disent les médecins", None),
        ("demain, des nuages sur le nord et du soleil dans le midi", None),
    ],
)
def test_what_is_wanted(text: str, fits: tuple[int, ...] | None):
    assert fitting(text) == fits


@pytest.mark.parametrize(
    ("text", "language", "fits"),
    [
        ("the one tomorrow", "en", (0,)),
        ("the earliest", "en", (1,)),
        ("not in the morning", "en", (0, 1)),
        ("on Friday at nine fifteen", "en", (2,)),
        ("el más cercano", "es", (0,)),
        ("a las cuatro y media", "es", (1,)),
    ],
)
def test_in_other_languages(text: str, language: str, fits: tuple[int, ...]):
    assert fitting(text, language) == fits


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("le premier, non le deuxième", "le deuxième"),
        ("le deux, enfin le trois", "le trois"),
        ("non", "non"),
        ("le troisième plutôt", "le troisième plutôt"),
    ],
)
def test_what_stands_behind_a_correction(text: str, left: str):
    assert after_correction(text, vocabulary("fr")) == left


@pytest.mark.parametrize(
    ("text", "day", "part"),
    [
        ("lundi", date(2026, 12, 7), ""),
        ("mercredi prochain le matin", date(2026, 12, 9), "morning"),
        ("la semaine prochaine", date(2026, 12, 7), ""),
        ("après-demain après-midi", date(2026, 12, 4), "afternoon"),
    ],
)
def test_what_would_fit_where_none_does(text: str, day: date, part: str):
    assert wanted(text) == Wanted((), day, part)


def test_who_cannot_come_in_the_morning_is_offered_the_afternoon():
    mornings = [one for one in TOLD if one.part == "morning"]
    found = wanted_among("pas le matin", vocabulary("fr"), mornings, TODAY)
    assert found == Wanted((), None, "afternoon")

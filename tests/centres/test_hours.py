"""Hours in the centres' own words."""

from __future__ import annotations

import pytest

from partners.hours import Meaning, read_day

# Wordings of the file of 15 January 2021, and what they mean.
READ = {
    "9h-17h": "09:00-17:00",
    "09:00-13:00/14:00-18:00": "09:00-13:00 14:00-18:00",
    "ouvert": "09:00-12:00 14:00-17:00",
    "Ouvert": "09:00-12:00 14:00-17:00",
    "ouvert matin ": "09:00-12:00",
    "ouvert l'après-midi": "14:00-17:00",
    "9h/17h": "09:00-17:00",
    "de 8h à 18h": "08:00-18:00",
    "\xa08 h 30 / 17 H 30": "08:30-17:30",
    "10: 00-16: 00": "10:00-16:00",
    "8H- 17H sur RDV": "08:00-17:00",
    "9h 19h": "09:00-19:00",
    "9h 12 h": "09:00-12:00",
    "8H30 12": "08:30-12:00",
    "8H30 12h / 14H 18H": "08:30-12:00 14:00-18:00",
    "8:00-12:30 14:00-19:00": "08:00-12:30 14:00-19:00",
    "9:00-12:00 - 13:30-16:30": "09:00-12:00 13:30-16:30",
    "9:00-13:00-14:00-18:00": "09:00-13:00 14:00-18:00",
    "8h30-12h-30 / 14h00-18h00": "08:30-12:30 14:00-18:00",
    "08:00-13-00/14:00-18:00": "08:00-13:00 14:00-18:00",
    "09:00-14-00": "09:00-14:00",
    "9h à 12h30 et de 13h30 à 16h 30": "09:00-12:30 13:30-16:30",
    "8h/12h-14h/20h": "08:00-12:00 14:00-20:00",
    "8.30/20.00": "08:30-20:00",
    "09 h 00 - 21 h 00": "09:00-21:00",
    "14-17H": "14:00-17:00",
    "14h-17": "14:00-17:00",
    "12-18h00": "12:00-18:00",
    "09h-13h / 13h30-17hh30": "09:00-13:00 13:30-17:30",
    "09: 00-12: 10/13: 00-16h 40": "09:00-12:10 13:00-16:40",
    "08:30–11:15 /13:30–16:15": "08:30-11:15 13:30-16:15",
    "08:30/17:30, à confirmer": "08:30-17:30",
    "07:00-09:30/12:00-13:30/18:00-19:30": "07:00-09:30 12:00-13:30 18:00-19:30",
    "10:00-13:00/13:00-17:00": "10:00-13:00 13:00-17:00",
    "9h-23h": "09:00-23:00",
}

# Wordings of later editions of 2021.
LATER = {
    "8:30-13:00 & 13:30-17:00": "08:30-13:00 13:30-17:00",
    "8:30-13:00&13:30-17:00": "08:30-13:00 13:30-17:00",
    "9h-12h + 14h-17h": "09:00-12:00 14:00-17:00",
    "9H17H": "09:00-17:00",
    "9h17h30": "09:00-17:30",
    "9h12h/14h18h": "09:00-12:00 14:00-18:00",
    "8h 20 h": "08:00-20:00",
    "20:00-00:00": "20:00-24:00",
    "20h-0h": "20:00-24:00",
    "17h à minuit": "17:00-24:00",
    "9h-midi": "09:00-12:00",
    "00:00-24:00": "00:00-24:00",
    "9:00-20:00/avec et sans rendez-vous": "09:00-20:00",
    "9h-18h avec ou sans rendez vous": "09:00-18:00",
    "9h00 -18h00 avec/sans RDV": "09:00-18:00",
    "9h-17h (sur R.D.V.)": "09:00-17:00",
    "sans rendez-vous 9h-17h": "09:00-17:00",
    "9h-17h sans rdv": "09:00-17:00",
    "9h-17h non stop": "09:00-17:00",
    "8H30 à 11H45 et 14H00 à 17H15": "08:30-11:45 14:00-17:15",
    "09:00 - 12:00 - 14:00-17:00": "09:00-12:00 14:00-17:00",
    "8h00/12h00 et  14h00/18h00": "08:00-12:00 14:00-18:00",
    # Of those who come without an appointment, told behind: within the others.
    "08h00-18h00/sans rendez-vous 08h00-18h00": "08:00-18:00",
    "8-16h/sans rendez-vous 8-15h": "08:00-16:00",
    "8h-18h, Accès sans rendez-vous de 11 à 14h": "08:00-18:00",
    "8h-18h (accès sans rendez-vous de 11h à 14h)": "08:00-18:00",
    "8h-18h. Sans rendez-vous de 11h à 14h": "08:00-18:00",
    "9h-17h / Sans RDV : 9h-12h": "09:00-17:00",
    "9h-17h, vaccination sans rendez-vous possible entre 10h et 16h": "09:00-17:00",
    "9h-17h, accès sans rendez-vous toute la journée": "09:00-17:00",
    "de 8h à 18h, accès libre de 11h à 14h": "08:00-18:00",
    "08h30-12h20/13h15-17h00/sans rendez-vous 08h30-12h20/sans rendez-vous 13h15-17h00": (
        "08:30-12:20 13:15-17:00"
    ),
}


@pytest.mark.parametrize(("cell", "expected"), (READ | LATER).items())
def test_hours_are_read(cell, expected):
    day = read_day(cell)
    assert day.meaning is Meaning.HOURS
    assert " ".join("-".join(interval) for interval in day.intervals) == expected
    assert not day.partial


@pytest.mark.parametrize("cell", ["fermé", "Fermé", "FERME", "fermé ", "Fermé au public"])
def test_closed(cell):
    assert read_day(cell).meaning is Meaning.CLOSED


@pytest.mark.parametrize("cell", ["", "  ", "\xa0"])
def test_nothing_said(cell):
    assert read_day(cell).meaning is Meaning.EMPTY


@pytest.mark.parametrize(
    "cell",
    [
        "non précisé",
        "Non précisé à ce jour",
        "à préciser",
        "à repréciser",
        "A CONFIRMER",
        "à compléter",
        "En cours de précisions",
        "en attente d'informations",
        "En attente",
        "pas d'horaires réguliers",
    ],
)
def test_hours_still_to_be_told(cell):
    assert read_day(cell).meaning is Meaning.NOT_TOLD


@pytest.mark.parametrize(
    "cell",
    [
        "14:00-18:00 à partir du 25/01",
        "9h-18h sauf matin du 18",
        "8:00-12:30 uniquement le 16 janvier",
        "8:00-12:00 (19/01 uniquement) / 14:00-18:00",
        "9H-13H / 14H-17H30 (PS LIBERAUX APRES-MIDI)",
        "14H00-18H00 9H00-18H00",
        "09:30-16:30/14:00-18:00",
        "fermé8h/12h-14h/20h",
        "f9h-13h/14h-17h",
        "08:00-13-00/14:00-18:0",
        "Au centre Europe : contacter le 01.42.81.03.50",
        "15h",
        "No",
        "25h-26h",
        "9h75-12h",
        "17h-9h",
        "9h17",
        "9h1730",
        "8h30h",
        "8h3014h",
        "14:00-17:30v",
        "22h-6h",
        "24h/24",
        "00:00-00:00",
        "après-midi",
        "après-midi 14h-17h",
        "aléatoire",
        "Campagne scolaire",
        "Ouverture occasionnelle",
        "Horaires du type 13H - 17H",
        "sans rendez-vous",
        "9h-12h avec rdv / 14h-17h sans rdv",
        "9h-12h sans rdv 14h-17h",
        "9h-12h/sans rendez-vous l'après-midi",
        "9h-12h/sans rendez-vous 14h",
        "9h-17h, sans rendez-vous à partir de 14h",
        "9h-17h, accès sans rendez-vous jusqu'à 16h",
    ],
)
def test_what_would_need_a_guess_is_not_read(cell):
    day = read_day(cell)
    assert day.meaning is Meaning.UNCLEAR
    assert day.intervals == ()


def test_an_interval_that_ends_before_it_begins_is_left_out_and_told():
    day = read_day("9h-3h/13h30-17h30")
    assert day.intervals == (("13:30", "17:30"),)
    assert day.partial


def test_hours_of_their_own_for_those_without_an_appointment_are_told_in_words():
    day = read_day("13h-17h/sans rendez-vous 9h-12h")
    assert day.intervals == (("13:00", "17:00"),)
    assert day.partial

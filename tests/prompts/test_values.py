"""Dates, hours, distances and numbers as they are spoken, and sentences with extreme ones."""

from __future__ import annotations

import string
import tomllib

from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from exchange.twiml import SAY_LIMITS, parse
from flows.speech import Line, Listen, Speech, TurnOutcome
from flows.understanding.vocabulary import PEOPLE
from ivr.addresses import Addresses
from ivr.twiml import render
from prompts.catalogue import FOLDER, NoSuchSentence, load
from prompts.service_words import usual
from prompts.values import in_twos, national, spaced
from tests.ivr.line import Document, goes_on_or_ends
from tests.prompts.each import each
from tests.prompts.sentences import FRENCH, LANGUAGES, everything_said, spoken_lines

PARIS = ZoneInfo("Europe/Paris")
CONFIRMED = {
    "born": date(1942, 3, 12), "place": "A", "street": "B", "town": "Paris 11e", "ending": "78",
    "away": 0.4,
}  # fmt: skip
LONGEST_NAME = "Centre de vaccination intercommunal de la communauté d'agglomération " * 2
WHOM = ("self", "two", *PEOPLE)
EXTREMES: dict[str, tuple[Any, ...]] = {
    "date": (date(1936, 2, 29), date(1940, 1, 1), date(2026, 12, 31)),
    "hour": (datetime(2026, 9, 30, 23, 59, tzinfo=PARIS), datetime(2026, 9, 30, tzinfo=PARIS)),
    "day_hour": (
        datetime(2026, 12, 1, 9, 0, tzinfo=PARIS),
        datetime(2026, 9, 30, 23, 59, tzinfo=PARIS),
        datetime(2027, 2, 28, 0, 5, tzinfo=PARIS),
    ),
    "menu_hour": (
        datetime(2026, 12, 1, 9, 0, tzinfo=PARIS),
        datetime(2026, 9, 30, 23, 59, tzinfo=PARIS),
    ),
    "weeks": ((21, 28), (7, 7), (21, 30), (1, 1)),
    "km": (0.0, 0.4, 0.99, 1.0, 1.4, 1.5, 99.0, 99.9),
    "far": (0.0, 14.99, 15.0, 99.9, -1.0),
    "there": ("", "Y", "Saint-Rémy-en-Bouzemont" * 3, "L'Haÿ-les-Roses <A> & « B »"),
    # Each person who is told by a word of the language's own.
    "person": WHOM,
    "born": WHOM,
    "digits": ("00", "75011", "97600"),
    "pairs": ("0000000000", "9999999999"),
    "number": ("+33612345678", "+262692123456", "+68987123456", "+687751234"),
    "at": ("Y", "Saint-Rémy-en-Bouzemont" * 3, "L'Haÿ-les-Roses <A> & « B »"),
    "near": ("Y", "Saint-Rémy-en-Bouzemont" * 3, "L'Haÿ-les-Roses <A> & « B »"),
    # Services by their names: none is said of a campaign that has none.
    "and": (("la grippe",), ("la grippe", "le Covid", "une carte d'identité de la commune")),
    "from_age": (0, 65, 120),
    "": ("x", LONGEST_NAME, "L'Haÿ-les-Roses <A> & « B »", 75, "Saint-Rémy-en-Bouzemont" * 3),
}


ENGLISH = load("en")


def sentences() -> Iterator[tuple[str, str]]:
    for language in LANGUAGES:
        yield from ((language, key) for key in sorted(load(language).keys))


@lru_cache
def templates(language: str) -> dict[str, list[str]]:
    """Every spoken template as it is written, with the words of the service that comes with it."""

    def flat(table: dict[str, Any], prefix: str = "") -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for key, value in table.items():
            if isinstance(value, dict):
                found |= flat(value, f"{prefix}{key}.")
            else:
                found[prefix + key] = value
        return found

    with (FOLDER / f"{language}.toml").open("rb") as file:
        source = tomllib.load(file)
    return flat(usual()[language].language_file(source)["say"])


def fields(template: str) -> dict[str, str]:
    """The names of a template's values with their formats."""
    return {name: spec or "" for _, name, spec, _ in string.Formatter().parse(template) if name}


@each(sentences)
def test_every_sentence_is_spoken_with_the_most_extreme_values(language: str, key: str):
    catalogue = load(language)
    for number, template in enumerate(templates(language)[key]):
        needed = fields(template)
        for turn in range(max(len(EXTREMES[spec]) for spec in needed.values()) if needed else 1):
            values = {
                name: EXTREMES[spec][turn % len(EXTREMES[spec])] for name, spec in needed.items()
            }
            said = catalogue.say(key, values, number)
            assert "{" not in said
            assert "None" not in said
            assert "+0" not in said
            assert len(said) < SAY_LIMITS["Polly"]


@each(sentences)
def test_every_document_stays_below_the_limit_of_the_voice_with_the_longest_values(
    language: str, key: str
):
    catalogue = load(language)
    for number, template in enumerate(templates(language)[key]):
        short = catalogue.parts(catalogue.short(key), number)
        needed = fields(template) | {part.name: part.format for part in short if part.name}
        values = {
            name: max(EXTREMES[spec], key=lambda v: len(str(v))) for name, spec in needed.items()
        }
        # With the longest that can stand before a question.
        lines = (Line("hard_to_understand"), Line("no_others"), Line(key, values, number))
        for slow in (False, True):
            speech = Speech(lines, Listen(), TurnOutcome.ASKED, slow=slow)
            body = render(speech, catalogue, Addresses("https://allo.example"), 32767).encode()
            document = Document(body, parse(body, "text/xml"))
            goes_on_or_ends(document)
            assert len(document.said) < SAY_LIMITS["Polly"]


def test_whoever_pressed_8_hears_the_short_sentences():
    values = spoken_lines()["offers_3"]
    for slow, key in ((False, "offers_3"), (True, "short.offers_3")):
        speech = Speech((Line("offers_3", values, 1),), Listen(), TurnOutcome.ASKED, slow=slow)
        body = render(speech, FRENCH, Addresses("https://allo.example"), 3).encode()
        said = Document(body, parse(body, "text/xml")).said
        told = FRENCH.say(key, values, 1).replace("|", " ")
        assert "".join(said.split()) == "".join(told.split())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_value_that_a_sentence_needs_is_given_by_its_step(language: str):
    for key, values in spoken_lines().items():
        for template in templates(language)[key]:
            assert set(fields(template)) <= set(values), key


@pytest.mark.parametrize(
    ("day", "said"),
    [
        (date(1942, 3, 12), "12 mars 1942"),
        (date(1940, 1, 1), "1er janvier 1940"),
        (date(1936, 2, 29), "29 février 1936"),
        (date(1931, 8, 11), "11 août 1931"),
        (date(1939, 12, 21), "21 décembre 1939"),
    ],
)
def test_a_date_of_birth_is_spoken_without_its_weekday(day: date, said: str):
    assert f"le {said}." in FRENCH.say("date_of_birth_check", {"born": day}, 1)


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        (datetime(2026, 11, 26, 10, 0, tzinfo=PARIS), "jeudi 26 novembre à 10 heures"),
        (datetime(2026, 12, 1, 9, 5, tzinfo=PARIS), "mardi 1er décembre à 9 heures 05"),
        (datetime(2026, 12, 31, 17, 30, tzinfo=PARIS), "jeudi 31 décembre à 17 heures 30"),
        (datetime(2027, 3, 28, 8, 45, tzinfo=PARIS), "dimanche 28 mars à 8 heures 45"),
        (datetime(2026, 10, 25, 14, 0, tzinfo=PARIS), "dimanche 25 octobre à 14 heures"),
    ],
)
def test_an_appointment_is_spoken_with_weekday_day_and_hour(moment: datetime, said: str):
    assert f"Le rendez-vous est le {said}." in FRENCH.say("confirm", {**CONFIRMED, "start": moment})


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("Europe/Paris", "10 heures"),
        ("Indian/Reunion", "13 heures"),
        ("America/Martinique", "5 heures"),
        ("Indian/Mayotte", "12 heures"),
    ],
)
def test_an_hour_is_spoken_in_the_zone_that_it_carries(zone: str, said: str):
    start = datetime(2026, 11, 26, 9, 0, tzinfo=UTC).astimezone(ZoneInfo(zone))
    assert f"à {said}." in FRENCH.say("confirm", {**CONFIRMED, "start": start})


OWN_CENTRE = {"place": "A", "town": "B"}


@pytest.mark.parametrize(
    ("kilometres", "said"),
    [
        (0.0, "à 100 mètres"),
        (0.44, "à 400 mètres"),
        (0.94, "à 900 mètres"),
        (0.99, "à 1 kilomètre"),
        (1.0, "à 1 kilomètre"),
        (1.4, "à 1 kilomètre"),
        (1.6, "à 2 kilomètres"),
        (4.1, "à 4 kilomètres"),
        (99.0, "à 99 kilomètres"),
        (99.6, "à 100 kilomètres"),
    ],
)
def test_a_distance_is_spoken_in_kilometres_and_below_one_in_hundreds_of_metres(
    kilometres: float, said: str
):
    values = {**OWN_CENTRE, "distance": kilometres}
    assert f", {said}. " in FRENCH.say("own_centre", values)


def test_as_the_crow_flies_is_said_where_whoever_goes_far_decides_and_nowhere_else():
    said = [key for key, text in everything_said("fr") if "vol d'oiseau" in text]
    assert said == ["no_slot_but_far"]


@pytest.mark.parametrize(
    ("kilometres", "said"),
    [
        (0.4, "Gymnase, Vitré, à 400 mètres. "),
        (4.99, "Gymnase, Vitré, à 5 kilomètres. "),
        (99.6, "Gymnase, Vitré, à 100 kilomètres. "),
        # Where the centre is, or the postcode, is not known.
        (-1.0, "Gymnase, Vitré, dans votre secteur. "),
    ],
)
def test_how_far_an_offer_is_is_always_told(kilometres: float, said: str):
    values = {**OFFERED, "name1": "Gymnase, Vitré", "distance1": kilometres}
    assert f"{said}|" in FRENCH.say("offers_1", values)


@pytest.mark.parametrize(
    ("kilometres", "said"),
    [
        (0.4, "à Paris 11e. "),
        (14.9, "à Paris 11e. "),
        (-1.0, "à Paris 11e. "),
        (15.0, "à Paris 11e. C'est à 15 kilomètres. "),
        (58.0, "à Paris 11e. C'est à 58 kilomètres. "),
    ],
)
def test_the_last_look_says_again_how_far_it_is_from_fifteen_kilometres_on(
    kilometres: float, said: str
):
    for key in ("confirm", "confirm_both", "my_move_check", "short.confirm"):
        moments = dict.fromkeys(("start", "second", "old"), TOLD["start"])
        said_again = FRENCH.say(key, {**CONFIRMED, **moments, "away": kilometres})
        follows = said_again.partition(said)[2]
        assert follows.startswith(("|", "Second")), key


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        (datetime(2026, 3, 3, 10, 20, tzinfo=PARIS), "Tuesday 3 March at 10:20 am"),
        (datetime(2026, 12, 1, 9, 5, tzinfo=PARIS), "Tuesday 1 December at 9:05 am"),
        (datetime(2026, 12, 31, 14, 0, tzinfo=PARIS), "Thursday 31 December at 2 pm"),
        (datetime(2026, 12, 31, 12, 0, tzinfo=PARIS), "Thursday 31 December at 12 noon"),
        (datetime(2026, 12, 31, 12, 30, tzinfo=PARIS), "Thursday 31 December at 12:30 pm"),
    ],
)
def test_an_appointment_is_spoken_in_english_as_the_british_say_it(moment: datetime, said: str):
    text = ENGLISH.say("confirm", {**CONFIRMED, "start": moment})
    assert f"The appointment is on {said}." in text


@pytest.mark.parametrize(
    ("kilometres", "said"),
    [
        (0.4, "400 metres away"),
        (1.0, "1 kilometre away"),
        (4.1, "4 kilometres away"),
    ],
)
def test_a_distance_is_spoken_in_english(kilometres: float, said: str):
    values = {**OWN_CENTRE, "distance": kilometres}
    assert said in ENGLISH.say("own_centre", values)


@pytest.mark.parametrize(
    ("town", "at", "near"),
    [
        ("Vitré", "à Vitré", "près de Vitré"),
        ("Le Mans", "au Mans", "près du Mans"),
        ("Les Abymes", "aux Abymes", "près des Abymes"),
        ("Lens", "à Lens", "près de Lens"),
        ("Lesparre-Médoc", "à Lesparre-Médoc", "près de Lesparre-Médoc"),
        ("La Rochelle", "à La Rochelle", "près de La Rochelle"),
        ("L'Haÿ-les-Roses", "à L'Haÿ-les-Roses", "près de L'Haÿ-les-Roses"),
        ("Albi", "à Albi", "près d'Albi"),
        ("Arvieux", "à Arvieux", "près d'Arvieux"),
        ("Les Andelys", "aux Andelys", "près des Andelys"),
        # An h that is sounded, and one that is not.
        ("Haguenau", "à Haguenau", "près de Haguenau"),
        ("Hyères", "à Hyères", "près d'Hyères"),
        ("Hendaye", "à Hendaye", "près d'Hendaye"),
        ("Évreux", "à Évreux", "près d'Évreux"),
        ("Yvetot", "à Yvetot", "près d'Yvetot"),
        ("Yerres", "à Yerres", "près de Yerres"),
    ],
)
def test_a_town_is_joined_with_the_word_before_it_as_the_french_say_it(
    town: str, at: str, near: str
):
    values = {"start": datetime(2026, 11, 26, 10, 0, tzinfo=PARIS), "town": town}
    assert f", {at}." in FRENCH.say("my_over", values)
    assert f"pas de rendez-vous libre {near}." in FRENCH.say("none_near", values)
    assert f", in {town}." in ENGLISH.say("my_over", values)
    assert f"no free appointment near {town}." in ENGLISH.say("none_near", values)


def test_digits_are_dictated_in_english_one_by_one_in_twos():
    text = ENGLISH.say("reach_check", {"number": "+33612345678"})
    assert "The mobile number is 0 6, 1 2, 3 4, 5 6, 7 8." in text
    assert ENGLISH.say("second_comes_with_it", {"after": (21, 28)}).endswith(
        "3 to 4 weeks after it."
    )


@pytest.mark.parametrize(
    ("days", "said"),
    [
        ((21, 28), "3 à 4 semaines"),
        ((21, 21), "3 semaines"),
        ((7, 7), "1 semaine"),
        ((42, 49), "6 à 7 semaines"),
        ((21, 30), "21 à 30 jours"),
        ((30, 30), "30 jours"),
        ((1, 1), "1 jour"),
    ],
)
def test_the_time_between_two_appointments_is_spoken_in_weeks_where_they_are_whole(
    days: tuple[int, int], said: str
):
    text = FRENCH.say("second_comes_with_it", {"after": days})
    assert f"au même endroit, {said} après." in text


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("+33612345678", "06, 12, 34, 56, 78"),
        ("+33142685300", "01, 42, 68, 53, 00"),
        ("+262692123456", "06, 92, 12, 34, 56"),
        ("+590690123456", "06, 90, 12, 34, 56"),
        ("+594694201234", "06, 94, 20, 12, 34"),
        ("+596696201234", "06, 96, 20, 12, 34"),
    ],
)
def test_a_telephone_number_is_spoken_as_people_dial_it(number: str, said: str):
    assert said in FRENCH.say("reach_check", {"number": number})
    assert len(national(number)) == 10


def test_digits_are_spoken_one_by_one_or_in_twos():
    assert spaced("75011") == "7 5 0 1 1"
    assert in_twos("4521738908") == "45, 21, 73, 89, 08"


def test_a_sentence_or_a_value_that_is_not_there_says_so():
    with pytest.raises(NoSuchSentence):
        FRENCH.say("no such sentence", {})
    with pytest.raises(KeyError):
        FRENCH.say("date_of_birth_check", {})
    with pytest.raises(NoSuchSentence):
        FRENCH.text("no such text", {})
    with pytest.raises(NoSuchSentence):
        FRENCH.text_parts("no such text")
    with pytest.raises(FileNotFoundError):
        load("xx")


def test_a_wording_beyond_the_last_is_the_last():
    last = FRENCH.wordings("welcome") - 1
    values = {"minimum_age": 75}
    assert FRENCH.say("welcome", values, 99) == FRENCH.say("welcome", values, last)


TOLD = {
    "start": datetime(2026, 11, 26, 10, 0, tzinfo=PARIS),
    "address": "12 rue de la Paix, 75011 Paris 11e",
    "reference": "4521000007",
    "number": "09 74 75 00 01",
}
OFFERED = {
    "start1": TOLD["start"],
    "town1": "Paris 11e",
    "place1": "Gymnase Jaurès",
    "spot1": "Paris 11e",
    "name1": "Gymnase Jaurès, Paris 11e",
    "distance1": 12.2,
    "after": (21, 28),
}


def test_a_reference_is_said_in_twos():
    for language, told in (("fr", "45, 21, 00, 00, 07"), ("en", "4 5, 2 1, 0 0, 0 0, 0 7")):
        assert told in load(language).say("reference_with_text", TOLD)


@pytest.mark.parametrize(
    ("minute", "said"), [(0, "minuit"), (15, "minuit 15")]
)  # fmt: skip
def test_midnight_has_its_name(minute: int, said: str):
    at = datetime(2026, 12, 3, 0, minute, tzinfo=PARIS)
    assert FRENCH.say("promise_today", {"at": at, "ending": "78"}).startswith(
        "C'est noté pour le numéro qui se termine par 78, merci de votre appel."
        f" | Nous vous rappellerons vers {said}, ou"
    )


@pytest.mark.parametrize(
    ("language", "hour", "minute", "said"),
    [
        ("en", 0, 0, "at about midnight, or"), ("en", 0, 15, "at about 12:15 at night, or"),
        ("es", 0, 0, "hacia medianoche, o"), ("es", 0, 15, "hacia las 12:15 de la noche, o"),
        ("es", 15, 0, "hacia las 15 horas, o"), ("es", 15, 15, "hacia las 15:15, o"),
        ("es", 12, 0, "hacia las 12 del mediodía, o"),
    ],
)  # fmt: skip
def test_midnight_is_no_number_in_other_languages(language: str, hour: int, minute: int, said: str):
    at = datetime(2026, 12, 3, hour, minute, tzinfo=PARIS)
    assert said in load(language).say("promise_today", {"at": at, "ending": "78"})


def test_a_day_begins_at_midnight_in_spanish_without_its_article():
    at = datetime(2026, 12, 4, tzinfo=PARIS)
    said = load("es").say("promise_day", {"at": at, "ending": "78"})
    assert "4 de diciembre a medianoche," in said

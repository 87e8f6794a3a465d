"""Dates, postcodes, digits and telephone numbers as people say them and recognisers spell them."""

from __future__ import annotations

from datetime import date
from functools import partial

import pytest

from flows.understanding.digits import digits, phone
from tests.understanding import answers
from tests.understanding.answers import (
    TODAY,
    Readings,
    date_of,
    digits_of,
    misses,
    phone_of,
    postcode_of,
    spoken,
    spoken_dates,
    vocabulary,
)

ENOUGH = 0.99
HARDER_SHARE = 0.98


@pytest.mark.parametrize("today", [date(2021, 1, 18), TODAY, date(2030, 6, 1)])
def test_99_of_100_spoken_dates_are_understood_and_none_wrongly(today):
    rows = spoken_dates(today)
    unclear, wrong = misses(rows, partial(date_of, today=today))
    assert wrong == []
    assert len(unclear) <= (1 - ENOUGH) * len(rows), unclear


def test_99_of_100_spoken_postcodes_are_understood_and_none_wrongly():
    rows = spoken("postcodes.csv")
    unclear, wrong = misses(rows, postcode_of)
    assert wrong == []
    assert len(unclear) <= (1 - ENOUGH) * len(rows), unclear


def test_an_ambiguous_postcode_has_all_its_readings():
    rows = spoken("ambiguous_postcodes.csv")
    assert len(rows) == 204
    assert misses(rows, postcode_of) == ([], [])


HARDER: dict[str, Readings] = {
    "date": date_of,
    "date_en": partial(date_of, language="en"),
    "date_es": partial(date_of, language="es"),
    "postcode": postcode_of,
    "postcode_en": partial(postcode_of, language="en"),
    "postcode_es": partial(postcode_of, language="es"),
    "digits": digits_of,
    "digits_en": partial(digits_of, language="en"),
    "digits_es": partial(digits_of, language="es"),
    "phone": phone_of,
}


@pytest.mark.parametrize("kind", HARDER)
def test_harder_sentences_are_understood_and_none_wrongly(kind):
    rows = answers.harder(kind)
    unclear, wrong = misses(rows, HARDER[kind])
    assert wrong == []
    assert len(unclear) <= (1 - HARDER_SHARE) * len(rows), unclear


def test_there_are_more_than_three_hundred_harder_sentences():
    assert sum(len(answers.harder(kind)) for kind in HARDER) > 300


# ---------------------------------------------------------------- dates


def test_a_year_of_two_digits_that_a_child_may_have_is_asked():
    # A child of eleven, or somebody of a hundred and eleven.
    assert date_of("premier janvier quinze") == "1915-01-01,2015-01-01"
    assert date_of("premier janvier zéro sept") == "1907-01-01,2007-01-01"
    # Said whole, it is not asked.
    assert date_of("premier janvier mille neuf cent quinze") == "1915-01-01"


def test_births_since_1900_are_understood_and_nobodys_before():
    assert date_of("premier janvier mille neuf cent") == "1900-01-01"
    assert date_of("le 31 décembre 1899") == "?"
    # Whether anybody lives who is that old is not said by the words; two digits mean a living one.
    assert date_of("trois mars zéro quatre") == "2004-03-03"


def test_a_year_of_two_digits_before_an_unknown_word_may_count_something():
    assert date_of("le 12 mars 42 blessés") == "?"
    assert date_of("le 12 mars 1942 blessés") == "1942-03-12"
    assert date_of("le 12 mars 42 madame") == "1942-03-12"


def test_the_year_may_come_first():
    assert date_of("1942, le 12 mars") == "1942-03-12"
    assert date_of("1942-03-12") == "1942-03-12"


def test_the_month_may_come_first_in_english_only():
    assert date_of("March 12 1942", language="en") == "1942-03-12"
    assert date_of("mars 12 1942") == "?"


def test_an_english_ordinal_says_which_is_the_day():
    assert date_of("the third of the fourth 1950", language="en") == "1950-04-03"
    assert date_of("three four 1950", language="en") == "1950-03-04,1950-04-03"


def test_four_twenty_is_eighty():
    assert date_of("le quatre quatre vingt douze") == "?"
    assert date_of("vingt quatre quatre vingt deux") == "?"
    assert date_of("vingt-quatre quatre vingt-deux") == "1922-04-24,2022-04-24"


def test_an_article_or_a_year_alone_makes_no_day():
    assert date_of("un quatre octobre trente-sept") == "1937-10-04"
    assert date_of("née un dimanche le trois avril quarante et un") == "1941-04-03"
    assert date_of("un neuf trois cinq") == "?"


def test_a_date_with_a_part_missing_is_not_made_up_from_the_others():
    assert date_of("vingt deux quarante deux") == "?"
    assert date_of("vingt-deux quarante-deux") == "?"


def test_a_name_with_a_date_in_it_is_no_date():
    assert date_of("rue du 8 mai 1945") == "?"


# ---------------------------------------------------------------- postcodes


def test_hyphens_say_which_words_are_one_number():
    assert postcode_of("trente-deux cent soixante-dix") == "32170"
    assert postcode_of("trente deux cent soixante-dix") == "30270"
    assert postcode_of("trente-deux-cent-soixante-dix") == "30270,32170"


def test_readings_that_do_not_exist_fall_away():
    assert postcode_of("vingt deux cent trois") == "?"
    assert postcode_of("quarante cinq cent quatre vingt dix") == "45190"


def test_thousands_need_a_number_before_them():
    assert postcode_of("zéro mille") == "?"
    assert postcode_of("zéro un mille") == "01000"
    assert postcode_of("et un mille") == "?"


def test_the_letters_of_corsica_fit_their_postcodes():
    assert postcode_of("2A 200") == "?"
    assert postcode_of("2B 200") == "20200"
    assert postcode_of("au 2 à cent soixante-sept mètres") == "?"


# ---------------------------------------------------------------- digits


def test_what_can_be_one_number_is_one():
    assert postcode_of("dix quatre vingt") == "?"
    assert postcode_of("vingt deux cinquante") == "?"
    assert postcode_of("zéro quatre vingt-deux zéro") == "04220"
    assert digits_of("vingt deux") == "22"


def test_a_number_with_a_pair_missing_is_not_made_up_from_the_others():
    assert phone_of("zéro sept quatre-vingt-un vingt-deux trente-trois") == "?"
    assert phone_of("zéro sept quatre vingt un vingt deux trente trois") == "?"


def test_how_many_digits_there_are_says_whether_two_numbers_are_one():
    """The reference holds 80 and 18, or 98: a recogniser writes both with the same words."""
    words = vocabulary("fr")
    five_pairs = "quatre-vingt dix-huit cinquante-deux dix-sept trente-huit"
    assert digits(five_pairs, words, length=10) == "8018521738"
    assert digits(f"{five_pairs} quarante", words, length=10) == "9852173840"
    # A piece is missing: it is not made up.
    assert digits("quatre-vingt-dix-huit cinquante-deux", words, length=10) == ""


def test_a_figure_behind_words_is_of_their_number_only_where_it_completes_it():
    assert digits_of("trente 3") == "33"
    assert digits_of("trente 3 mille") == "33000"
    for apart in ("trente 12", "30 3", "trente 03", "trente, 3"):
        assert digits_of(apart).startswith("30")


def test_one_value_or_none():
    assert digits("trente quatre vingt deux", vocabulary("fr")) == ""
    assert digits("trente-quatre", vocabulary("fr")) == "34"
    assert digits("trente-quatre", vocabulary("fr"), length=2) == "34"
    assert digits("trente-quatre", vocabulary("fr"), length=4) == ""
    assert phone("zéro six trente quatre vingt deux", vocabulary("fr")) == ""
    assert phone("06 12 34 56 78", vocabulary("fr")) == "+33612345678"


@pytest.mark.parametrize("read", HARDER.values())
@pytest.mark.parametrize(
    "text", ["", " ", "?", "euh", "oui", "un", "mars", "12 " * 300, "x" * 5000]
)
def test_what_is_no_answer_is_not_understood(read, text):
    one = {"un": ("digits", "digits_es")}
    assert read(text) == "?" or read in [HARDER[kind] for kind in one.get(text, ())]


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("mars quarante-trois, le dix-sept", "1943-03-17"),
        ("quarante, mars, le cinq", "1940-03-05"),
        ("au mois d'août le vingt-huit, en quarante-deux", "1942-08-28"),
        ("son année c'est 37, le 16 avril 37", "1937-04-16"),
        ("19 octobre 46 enfin non 47", "1947-10-19"),
        ("c'est pas le six c'est le sept mars quarante-trois", "1943-03-07"),
        ("le deux novembre, pas le douze, le deux novembre 1940", "1940-11-02"),
        # A year and a month are no day, and what is denied leaves nothing to guess from.
        ("mars 19 40", "?"),
        ("mars 1 9 4 2", "?"),
        ("ce n'est pas le 12 mars 1942", "?"),
        ("pas le 12 mars, en 1942", "?"),
    ],
)
def test_day_month_and_year_come_in_any_order_and_may_be_corrected(said: str, means: str):
    assert date_of(said) == means

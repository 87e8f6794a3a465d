"""Whatever is said: what was meant comes out, or nothing; never what was not said."""

from __future__ import annotations

import itertools
import re

from datetime import date, timedelta
from functools import lru_cache

from babel.dates import get_month_names
from hypothesis import example, given, settings
from hypothesis import strategies as st
from text_to_num import text2num

from flows.understanding.dates import dates
from flows.understanding.postcodes import postcodes
from tests.understanding.answers import (
    TODAY,
    date_of,
    digits_of,
    known,
    phone_of,
    postcode_of,
    vocabulary,
)

derandomized = settings(derandomize=True, database=None, deadline=None, max_examples=300)
DIGITS = ["zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf"]
TEENS = ["dix", "onze", "douze", "treize", "quatorze", "quinze", "seize"]
TENS = ["vingt", "trente", "quarante", "cinquante", "soixante", "quatre vingt"]
NOISE = ["rue", "bonjour", "euh", "le", "du", "né", "moi", "mars", "mai", "non", "pas", "à", "ans"]
WORDS = st.lists(
    st.sampled_from(DIGITS + TEENS + TENS + ["cent", "mille", "et"] + NOISE), max_size=14
)
BORN = st.dates(min_value=TODAY - timedelta(days=365 * 118), max_value=TODAY)
CODES = st.sampled_from(sorted(known()))


@lru_cache
def spelt(number: int) -> str:
    """French words of a number under 100, found by asking the library what words mean."""
    return _spellings()[number]


@lru_cache
def _spellings() -> dict[int, str]:
    found: dict[int, str] = {}
    small = [*DIGITS, *TEENS, *(f"dix {digit}" for digit in DIGITS[7:])]
    for words in (*small, *TENS, *(" ".join(p) for p in itertools.product(TENS, small[1:]))):
        number = _number(words)
        if number is not None:
            found.setdefault(number, words)
    for tens in TENS:
        for one in ("un", "onze"):
            number = _number(f"{tens} et {one}")
            if number is not None:
                found.setdefault(number, f"{tens} et {one}")
    return found


def _number(words: str) -> int | None:
    try:
        return int(text2num(words, "fr"))
    except ValueError:
        return None


def test_every_number_under_a_hundred_has_words():
    assert sorted(_spellings()) == list(range(100))


def year_in_words(year: int) -> str:
    rest = spelt(year % 100) if year % 100 else ""
    return f"{'deux mille' if year >= 2000 else 'mille neuf cent'} {rest}".strip()


@given(BORN, st.sampled_from(["", "le ", "je suis née le ", "euh c'est le "]))
@derandomized
@example(date(1980, 1, 1), "")
@example(date(1991, 11, 21), "le ")
def test_a_date_in_full_words_comes_back(born, before):
    month = get_month_names("wide", locale="fr")[born.month]
    text = f"{before}{spelt(born.day)} {month} {year_in_words(born.year)}"
    assert date_of(text) == born.isoformat()


@given(BORN, st.sampled_from(["{d} {m} {y}", "{d}/{m}/{y}", "le {d} du {m} {y}", "{d}, {m}, {y}"]))
@derandomized
def test_a_date_in_figures_comes_back(born, form):
    assert date_of(form.format(d=born.day, m=born.month, y=born.year)) == born.isoformat()
    padded = form.format(d=f"{born.day:02}", m=f"{born.month:02}", y=born.year)
    assert date_of(padded) == born.isoformat()


@given(BORN)
@derandomized
def test_a_date_in_numbers_alone_is_among_the_readings(born):
    def small(number: int) -> str:
        return f"zéro {DIGITS[number]}" if number < 10 else spelt(number)

    text = f"{small(born.day)} {small(born.month)} {year_in_words(born.year)}"
    assert born in dates(text, vocabulary("fr"), TODAY)


@given(CODES, st.data())
@derandomized
def test_a_postcode_is_among_its_readings_however_it_is_cut(code, data):
    """Cut into pieces of one to three digits, each said as a number with its zeros before it."""
    pieces = []
    rest = code
    while rest:
        pieces.append(rest[: data.draw(st.integers(1, min(3, len(rest))))])
        rest = rest[len(pieces[-1]) :]
    said = [in_words(piece) for piece in pieces]
    readings = postcodes(" ".join(said), vocabulary("fr"), known().__contains__)
    assert code in readings or may_be_one_number(said)


def in_words(piece: str) -> str:
    bare = piece.lstrip("0")
    words = ["zéro"] * (len(piece) - len(bare))
    if len(bare) == 3:
        words += ["cent"] if bare[0] == "1" else [spelt(int(bare[0])), "cent"]
        bare = bare[1:].lstrip("0")
    return " ".join([*words, spelt(int(bare))] if bare else words)


def may_be_one_number(said: list[str]) -> bool:
    """Whether pieces that only a pause keeps apart are one number too: 20, 2 or 3, 100."""
    words = " | ".join(said).split()
    for start, end in itertools.combinations(range(len(words) + 1), 2):
        part = words[start:end]
        within = "|" in part and part[0] not in {"|", "zéro"} and part[-1] != "|"
        if within and _number(" ".join(word for word in part if word != "|")) is not None:
            return True
    return False


def test_pieces_that_may_be_one_number():
    assert may_be_one_number(["vingt", "deux", "cent"])
    assert may_be_one_number(["trois", "cent dix"])
    assert not may_be_one_number(["trente", "douze", "zéro"])


@given(st.lists(st.sampled_from([*DIGITS, *NOISE]), max_size=16))
@derandomized
def test_digits_said_one_by_one_are_never_changed(words):
    sequence = "".join(str(DIGITS.index(word)) for word in words if word in DIGITS)
    text = " ".join(words)
    for code in postcodes(text, vocabulary("fr"), lambda _: True):
        assert code in sequence
    found = digits_of(text)
    assert found == "?" or found in sequence
    for born in dates(text, vocabulary("fr"), TODAY):
        assert str(born.day) in sequence
        assert f"{born.year % 100:02}" in sequence


@given(WORDS)
@derandomized
def test_words_thrown_together_give_what_was_said_or_nothing(words):
    """Any reading is made of the numbers in the order in which they were said."""
    text = " ".join(words)
    for code in postcodes(text, vocabulary("fr"), lambda _: True):
        assert len(code) == 5
        assert _can_be_said(code, words)
    for born in dates(text, vocabulary("fr"), TODAY):
        assert born <= TODAY
        assert born.year >= 1900


def _can_be_said(code: str, words: list[str]) -> bool:
    """Whether the digits of a code can be had from runs of these words, with nothing changed."""
    numbers = " ".join(word for word in words if word not in NOISE).split()
    # How many words and digits are done with; one may begin anywhere.
    reach = [(at, 0) for at in range(len(numbers) + 1)]
    for at, done in reach:  # grows meanwhile
        if done == len(code):
            return True
        if at < len(numbers) and numbers[at] == "et":
            reach.append((at + 1, done))
        # "treize mille zéro quatre-vingt-dix": the zero says that the thousands are no number.
        if numbers[at : at + 2] == ["mille", "zéro"] and done:
            reach.append((at + 1, done))
        for end in range(at + 1, min(len(numbers), at + 9) + 1):
            number = _number(" ".join(numbers[at:end]))
            if number is not None and code.startswith(str(number), done):
                reach.append((end, done + len(str(number))))
    return False


@given(st.text(max_size=80) | st.from_regex(r"[0-9 .,/a-e+\-]{0,40}", fullmatch=True))
@derandomized
@example("1er")
@example("2a")
@example("double")
@example("²³ ½ ٣ Ⅷ")
@example("12 " * 40)
@example("22 cent")
def test_no_text_at_all_is_an_error(text):
    for language in ("fr", "en"):
        for read in (date_of, postcode_of, digits_of, phone_of):
            assert re.fullmatch(r"\?|[-+0-9]+(,[-+0-9]+)*", read(text, language=language))

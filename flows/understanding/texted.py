"""What a caller wrote, as an answer: keys where it is digits, words where it is not.

People write "12/03/1942", "06 12 34 56 78", "1." and "1)": each is what the keypad would have sent.
A text is never taken for more than it says; whatever comes of it is read back like any answer.
"""

from __future__ import annotations

import re
import unicodedata

from flows.speech import Input, keys, spoken

# No person answers a question in more letters; what is longer is not looked into.
LONGEST = 300
# Between the parts of a date as people write one.
_SEP = r"[ ]*[/.\- ][ ]*"
_DAY_FIRST = re.compile(rf"(\d{{1,2}}){_SEP}(\d{{1,2}}){_SEP}(\d{{4}}|\d{{2}})")
_YEAR_FIRST = re.compile(rf"(\d{{4}}){_SEP}(\d{{1,2}}){_SEP}(\d{{1,2}})")
# A choice with what is put around its number: "1.", "(1)", "« 1 »", "1 !".
_CHOICE = re.compile(r"[\W_]*(\d)[\W_]*")
_APART = re.compile(r"[\s.\-/()]+")
_COUNTRY = re.compile(r"(?:\+|00)33(?:0)?(?=[1-9]\d{8}$)")
_STAR = re.compile(r"\*+")
# Beyond this a row of digits is nothing that is ever asked for.
_MOST_DIGITS = 16


def texted(body: str) -> Input | None:
    """A text as an answer; None for one without a letter or digit, or one that is too long."""
    text = " ".join(_plain_digits(unicodedata.normalize("NFKC", body)).split())
    if len(text) > LONGEST:
        return None
    if not any(character.isalnum() for character in text):
        return keys("*") if _STAR.fullmatch(text) else None
    pressed = _date(text) or _digits(text)
    return keys(pressed) if pressed else spoken(text)


def _date(text: str) -> str:
    """Eight digits, or six, of a date that was written with its parts apart; empty for another."""
    day_first = _DAY_FIRST.fullmatch(text)
    if day_first:
        return f"{day_first[1]:0>2}{day_first[2]:0>2}{day_first[3]}"
    year_first = _YEAR_FIRST.fullmatch(text)
    return f"{year_first[3]:0>2}{year_first[2]:0>2}{year_first[1]}" if year_first else ""


def _digits(text: str) -> str:
    """A choice, a postcode or a number, as the keypad would send it; empty for another text."""
    choice = _CHOICE.fullmatch(text)
    if choice:
        return choice[1]
    digits = _COUNTRY.sub("0", _APART.sub("", text))
    return digits if digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS else ""


def _plain_digits(text: str) -> str:
    """Digits of any script as those of the keypad."""
    return "".join(
        str(unicodedata.decimal(character)) if character.isdecimal() else character
        for character in text
    )
